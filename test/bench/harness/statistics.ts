// Medians, percentiles and the interval of a ratio of medians. Pure; knows nothing of what was measured.

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Linear between the two nearest ranks; NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return ofSorted(sorted, share);
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** 95 % bootstrap interval of median(a) / median(b); the same samples give the same interval. */
export function ratioInterval(a: readonly number[], b: readonly number[], resamples = 1000): Interval {
  const random = seeded(a.length * 7919 + b.length);
  const ratios = Array.from({ length: resamples }, () => resampledMedian(a, random) / resampledMedian(b, random));
  return { low: percentile(ratios, 0.025), high: percentile(ratios, 0.975) };
}

function resampledMedian(values: readonly number[], random: () => number): number {
  const drawn = new Float64Array(values.length);
  for (let index = 0; index < drawn.length; index += 1) drawn[index] = values[Math.floor(random() * values.length)] ?? Number.NaN;
  return ofSorted(drawn.sort(), 0.5);
}

function ofSorted(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** Mulberry32: small, and good enough to draw samples. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
