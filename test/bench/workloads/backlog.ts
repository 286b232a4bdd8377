// Coming late to a command that has written all that is kept.

import { compare } from '../harness/comparison.ts';
import type { Workload } from '../harness/workload.ts';
import { expectSuccess } from './exec-true.ts';

const BYTES = 16 * 1024 * 1024;

export const backlog: Workload = {
  name: 'backlog',
  unit: 'ms',
  what: 'attach to a command that has ended and read its 16 MiB of output',
  async run({ sandbox }, { isQuick }) {
    const execution = sandbox.exec(['head', '-c', String(BYTES), '/dev/zero'], { background: true });
    expectSuccess(await execution);
    const sample = async (): Promise<void> => {
      let bytes = 0;
      for await (const chunk of sandbox.attach(execution.id)) bytes += chunk.bytes.byteLength;
      if (bytes !== BYTES) throw new Error(`Cannot count the backlog: ${bytes} of ${BYTES} bytes came`);
    };
    return await compare([{ name: 'cloister', sample }], isQuick ? { warmUp: 1, rounds: 5 } : { warmUp: 2, rounds: 20 });
  },
};
