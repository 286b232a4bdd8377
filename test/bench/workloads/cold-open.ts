// A sandbox from nothing: workspace, container, receipt.

import { compare } from '../harness/comparison.ts';
import type { Workload } from '../harness/workload.ts';
import { runDocker } from '../peers/docker-cli.ts';

export const coldOpen: Workload = {
  name: 'cold open',
  unit: 'ms',
  what: 'open of a new session until its receipt is here; a hardened `docker run --rm` of `true` until it is gone',
  async run({ open, daemon, flags, image }, { isQuick }) {
    let close = async (): Promise<void> => undefined;
    const contenders = [
      {
        name: 'cloister',
        sample: async () => {
          const sandbox = await open();
          close = () => sandbox.close();
        },
        settle: () => close(),
      },
      { name: 'docker run', sample: async () => void (await runDocker(daemon.engineSocket, ['run', '--rm', ...flags, image, 'true'])) },
    ];
    return await compare(contenders, isQuick ? { warmUp: 1, rounds: 8 } : { warmUp: 2, rounds: 30 });
  },
};
