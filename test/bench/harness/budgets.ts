// The figures that must hold, and whether a run holds them. Pure but for reading nothing: the file is parsed elsewhere.

import { z } from 'zod';
import type { WorkloadResult } from './result.ts';

export const Budget = z.strictObject({
  workload: z.string(),
  /** The peer that ours is compared with; without it ours alone is judged. */
  peer: z.string().optional(),
  /** With a peer: how many times better ours must be; below 1: how much worse it may be. */
  advantageAtLeast: z.number().positive().optional(),
  /** What is wanted beyond that; reported only. */
  goal: z.number().positive().optional(),
  /** Without a peer: bounds of our median. */
  atMost: z.number().optional(),
  atLeast: z.number().optional(),
  /** Without a peer: bound of our 95th percentile, in place of the median's. */
  p95AtMost: z.number().optional(),
  /** Depends on the speed of the machine: reported, and checked only by a full run. */
  isAbsolute: z.boolean().default(false),
});
export type Budget = z.infer<typeof Budget>;
export const Budgets = z.strictObject({ budgets: z.array(Budget) });

/** `noise`: missed, but the interval of the ratio reaches the bound. */
export type Verdict = 'met' | 'noise' | 'missed' | 'absent';

export interface Judgement {
  readonly budget: Budget;
  readonly verdict: Verdict;
  readonly found: number | null;
  readonly interval: { readonly low: number; readonly high: number } | null;
}

export function judge(budget: Budget, results: readonly WorkloadResult[]): Judgement {
  const result = results.find(({ workload }) => workload === budget.workload);
  const row = budget.peer === undefined ? result?.rows[0] : result?.rows.find(({ contender }) => contender === budget.peer);
  if (row === undefined || row.samples === 0) return { budget, verdict: 'absent', found: null, interval: null };
  if (row.advantage !== undefined && budget.advantageAtLeast !== undefined) {
    const { ratio, interval } = row.advantage;
    const verdict = ratio >= budget.advantageAtLeast ? 'met' : interval.high >= budget.advantageAtLeast ? 'noise' : 'missed';
    return { budget, verdict, found: ratio, interval };
  }
  if (budget.p95AtMost !== undefined)
    return { budget, verdict: row.p95 <= budget.p95AtMost ? 'met' : 'missed', found: row.p95, interval: null };
  const isMet = row.median <= (budget.atMost ?? Infinity) && row.median >= (budget.atLeast ?? -Infinity);
  return { budget, verdict: isMet ? 'met' : 'missed', found: row.median, interval: null };
}
