// The judge's order with the world in between: target, confirmation, resolution, addresses. Owns the order; every rule is
// judge.ts, and nothing is dialled here.

import type { Target } from './authority.ts';
import { type CompiledPolicy, judgeAddresses, judgeTarget, type OperatorRules } from './judge.ts';
import type { Resolve } from './resolver.ts';
import type { Verdict } from './verdict.ts';

/** What is in force for one sandbox at this moment. */
export interface Gate {
  readonly policy: CompiledPolicy;
  readonly operator: OperatorRules;
  readonly resolve: Resolve;
  /** Turns `ask` into allow or deny. */
  readonly confirm: (target: Target, verdict: Verdict) => Promise<Verdict>;
}

export interface Admission {
  readonly verdict: Verdict;
  /** What may be dialled; empty unless the verdict is `allow`. */
  readonly addresses: readonly string[];
}

const refused = (verdict: Verdict): Admission => ({ verdict, addresses: [] });

export async function admit(target: Target | null, gate: Gate): Promise<Admission> {
  const asked = judgeTarget(target, gate.policy, gate.operator);
  const byName = asked.verdict === 'ask' && target !== null ? await gate.confirm(target, asked) : asked;
  if (target === null || byName.verdict !== 'allow') return refused(byName);
  const addresses = await addressesOf(target, gate.resolve);
  const byAddress = judgeAddresses(addresses, gate.operator);
  if (byAddress.verdict !== 'allow') return refused(byAddress);
  // The policy may have changed while others were waited for.
  const still = judgeTarget(target, gate.policy, gate.operator);
  if (still.verdict === 'deny') return refused(still);
  return { verdict: byName, addresses };
}

async function addressesOf({ host }: Target, resolve: Resolve): Promise<readonly string[]> {
  if (host.kind === 'address') return [host.text];
  const resolution = await resolve(host.text);
  return resolution.kind === 'addresses' ? resolution.addresses : [];
}
