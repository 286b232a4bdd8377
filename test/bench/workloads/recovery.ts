// A daemon that is killed with many sandboxes: until the next one has taken over every one of them.

import { setTimeout } from 'node:timers/promises';
import { Cloister } from 'cloister';
import { DaemonProcess } from '../harness/daemon-process.ts';
import type { Workload } from '../harness/workload.ts';

const SANDBOXES = 100;
const QUICK_SANDBOXES = 10;
const ROUNDS = 3;
const AT_ONCE = 4;
const TENANT = 'bench';
const ASK_AGAIN_MS = 20;

export const recovery: Workload = {
  name: 'recovery',
  unit: 'ms',
  what: `start of a daemon after kill -9 of one with ${SANDBOXES} sandboxes (${QUICK_SANDBOXES} in a quick run), until each of them answers`,
  async run({ packageRoot, scope, daemon: first }, { isQuick }) {
    const count = isQuick ? QUICK_SANDBOXES : SANDBOXES;
    const settings = { CLOISTER_ENGINE_SOCKET_PATH: first.engineSocket, CLOISTER_PORTS_LISTEN: '127.0.0.1:0' };
    let daemon = await DaemonProcess.start(packageRoot, scope, [], settings);
    const token = await daemon.token(TENANT);
    const opening = await Cloister.connect({ url: daemon.localUrl, token });
    for (let opened = 0; opened < count; opened += AT_ONCE)
      await Promise.all(
        Array.from({ length: Math.min(AT_ONCE, count - opened) }, (_, n) =>
          opening.open({ session: `kept-${opened + n}`, workspace: { retain: 'delete' } }),
        ),
      );
    await opening.close();
    const values: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await killed(daemon);
      const startedAt = performance.now();
      daemon = await DaemonProcess.start(packageRoot, scope, [], settings, daemon);
      const client = await Cloister.connect({ url: daemon.localUrl, token });
      const known = await client.list();
      if (known.length !== count) throw new Error(`Cannot report recovery: ${known.length} of ${count} sandboxes were taken over`);
      const sandboxes = await Promise.all(known.map(({ session }) => client.open({ session, takeover: true })));
      await Promise.all(sandboxes.map((sandbox) => sandbox.files.stat('.')));
      values.push(performance.now() - startedAt);
      await client.close();
    }
    return [{ name: 'cloister', values }];
  },
};

async function killed({ pid }: DaemonProcess): Promise<void> {
  process.kill(pid, 'SIGKILL');
  const isThere = (): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  while (isThere()) await setTimeout(ASK_AGAIN_MS);
}
