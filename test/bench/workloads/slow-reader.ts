// A reader far slower than its command, which then goes away: what the daemon holds for it meanwhile.

import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import type { Workload } from '../harness/workload.ts';

const TOTAL_BYTES = 2_000_000_000;
const BYTES_PER_MS = (1024 * 1024) / 1000;
const READ_MS = 5_000;
const AFTER_MS = 1_000;
const MIB = 1024 * 1024;

export const slowReader: Workload = {
  name: 'slow reader',
  unit: 'MiB',
  what: 'growth of the daemon at its highest, reading 1 MiB/s of 2 GB for 5 s and aborting',
  async run({ sandbox, daemon }) {
    const before = await daemon.residentBytes();
    let highest = before;
    const look = async (): Promise<void> => {
      highest = Math.max(highest, await daemon.residentBytes());
    };
    const abort = new AbortController();
    const startedAt = performance.now();
    let bytes = 0;
    for await (const chunk of sandbox.exec(['head', '-c', String(TOTAL_BYTES), '/dev/zero'], { signal: abort.signal })) {
      bytes += chunk.bytes.byteLength;
      await look();
      const elapsedMs = performance.now() - startedAt;
      if (elapsedMs >= READ_MS) break;
      await setTimeout(Math.max(0, bytes / BYTES_PER_MS - elapsedMs));
    }
    abort.abort();
    for (let left = AFTER_MS / 50; left > 0; left -= 1) {
      await look();
      await setTimeout(50);
    }
    return [{ name: 'cloister', values: [(highest - before) / MIB] }];
  },
};
