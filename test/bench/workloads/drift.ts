// Whether the thousandth command costs what the first did.

import { performance } from 'node:perf_hooks';
import { median } from '../harness/statistics.ts';
import type { Workload } from '../harness/workload.ts';
import { expectSuccess } from './exec-true.ts';

const COMMANDS = 1000;
const EDGE = 100;

export const drift: Workload = {
  name: 'drift',
  unit: 'ratio',
  what: 'median of the last 100 of 1,000 commands in a row over that of the first 100',
  async run({ open }) {
    const sandbox = await open();
    const values: number[] = [];
    for (let index = 0; index < COMMANDS; index += 1) {
      const startedAt = performance.now();
      expectSuccess(await sandbox.exec(['true']));
      values.push(performance.now() - startedAt);
    }
    await sandbox.close();
    return [{ name: 'cloister', values: [median(values.slice(-EDGE)) / median(values.slice(0, EDGE))] }];
  },
};
