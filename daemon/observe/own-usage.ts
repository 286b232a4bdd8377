// What this process itself uses, as the kernel counts it.

import { readFileSync } from 'node:fs';

/** Linux counts in these whatever the hardware. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

export function ownUsage(): { readonly cpuSeconds: number; readonly residentBytes: number } {
  const text = readFileSync('/proc/self/stat', 'latin1');
  // The name may hold anything, so counting begins behind it, at the state, which is the third.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3] ?? 0);
  return { cpuSeconds: (field(14) + field(15)) / TICKS_PER_SECOND, residentBytes: field(24) * PAGE_BYTES };
}
