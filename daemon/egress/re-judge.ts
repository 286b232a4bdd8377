// Whether an attempt that was let out may go on under what holds now. Pure.

import type { Attempt } from './attempt.ts';
import { type CompiledPolicy, judgeAddresses, judgeTarget, mustOpen, type OperatorRules } from './judge.ts';
import { deny, type Verdict } from './verdict.ts';

type Judged = Pick<Attempt, 'target' | 'verdict' | 'isCarrier' | 'address'>;

/** null: it may. */
export function rejudge({ target, verdict, isCarrier, address }: Judged, policy: CompiledPolicy, operator: OperatorRules): Verdict | null {
  if (target === null || verdict?.verdict !== 'allow') return null;
  const now = judgeTarget(target, policy, operator);
  // What was confirmed stays as long as the entry that asked for it.
  if (now.verdict === 'deny' || (now.verdict === 'ask' && now.rule !== verdict.rule)) return deny('policyChanged', now.rule);
  const byAddress = address === undefined ? null : judgeAddresses([address], operator);
  if (byAddress?.verdict === 'deny') return deny('policyChanged', byAddress.rule);
  // It carries bytes where the policy wants requests to be seen.
  const isBlind = target.request === undefined && !isCarrier && mustOpen(target, policy);
  return isBlind ? deny('policyChanged', now.rule) : null;
}
