// A second daemon on the same engine, one that keeps spares, and the means to wait until they are there. Owns that daemon.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Cloister, type Sandbox } from 'cloister';
import { DaemonProcess } from './daemon-process.ts';
import type { Stage } from './stage.ts';

const TENANT = 'bench';
const ASK_AGAIN_MS = 50;
const FILL_LIMIT_MS = 900_000;

export interface WarmStage {
  readonly daemon: DaemonProcess;
  /** A sandbox of a session that nobody used before; `isWarm` says that it must have been a spare. */
  open(isWarm: boolean): Promise<Sandbox>;
  /** Waits until every spare is there. */
  filled(): Promise<void>;
}

export async function openWarmStage({ packageRoot, scope, daemon: first, nodeOptions }: Stage, size: number): Promise<WarmStage> {
  const daemon = await DaemonProcess.start(packageRoot, scope, nodeOptions, {
    CLOISTER_ENGINE_SOCKET_PATH: first.engineSocket,
    CLOISTER_POOL_WARM_SIZE: String(size),
    CLOISTER_PORTS_LISTEN: '127.0.0.1:0',
  });
  const client = await Cloister.connect({ url: daemon.localUrl, token: await daemon.token(TENANT) });
  scope.defer(() => client.close());
  let sessions = 0;
  return {
    daemon,
    open: async (isWarm) => {
      sessions += 1;
      const sandbox = await client.open({ session: `warm-${sessions}`, workspace: { retain: 'delete' } });
      if (isWarm && sandbox.startKind !== 'warm')
        throw new Error(`Cannot measure: session ${sandbox.session} was started ${sandbox.startKind}`);
      return sandbox;
    },
    filled: async () => {
      const deadline = performance.now() + FILL_LIMIT_MS;
      while ((await spares(daemon.stateDir)) < size) {
        if (performance.now() > deadline) throw new Error(`Cannot measure: ${size} spares were not made in time`);
        await setTimeout(ASK_AGAIN_MS);
      }
    },
  };
}

/** Spares on record that are complete: what shell they have is found out last. */
async function spares(stateDir: string): Promise<number> {
  const directory = join(stateDir, 'sandboxes');
  const files = (await readdir(directory)).filter((name) => name.startsWith('sb_') && name.endsWith('.json'));
  const texts = await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8').catch(() => '')));
  return texts.filter((text) => text.includes('"tenant":null') && text.includes('"shell":"bash"')).length;
}
