// What a workload found, ready for the table and the file. Pure.

import { IS_HIGHER_BETTER, type Samples, type Unit } from './comparison.ts';
import { type Interval, median, percentile, ratioInterval } from './statistics.ts';

export interface Row {
  readonly contender: string;
  readonly samples: number;
  readonly median: number;
  readonly p95: number;
  readonly p99: number;
  /** How many times better ours is than this one, by medians; absent on our own row. */
  readonly advantage?: { readonly ratio: number; readonly interval: Interval };
}

export interface WorkloadResult {
  readonly workload: string;
  readonly unit: Unit;
  /** What one sample is. */
  readonly what: string;
  readonly rows: readonly Row[];
}

export function toResult(workload: string, unit: Unit, what: string, samples: readonly Samples[]): WorkloadResult {
  const [ours, ...peers] = samples;
  if (ours === undefined) throw new Error(`Cannot report ${workload}: nothing was measured`);
  const isHigherBetter = IS_HIGHER_BETTER[unit];
  const rows = peers.map((peer) => {
    const [better, worse] = isHigherBetter ? [ours.values, peer.values] : [peer.values, ours.values];
    return { ...rowOf(peer), advantage: { ratio: median(better) / median(worse), interval: ratioInterval(better, worse) } };
  });
  return { workload, unit, what, rows: [rowOf(ours), ...rows] };
}

function rowOf({ name, values }: Samples): Row {
  return { contender: name, samples: values.length, median: median(values), p95: percentile(values, 0.95), p99: percentile(values, 0.99) };
}
