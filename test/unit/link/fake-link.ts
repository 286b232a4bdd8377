// A link to the fake init in a directory of its own.

import { randomBytes } from 'node:crypto';
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { ControlListener } from '../../../daemon/link/control-listener.ts';
import type { Nonces } from '../../../daemon/link/control-listener.ts';
import { SandboxLink } from '../../../daemon/link/sandbox-link.ts';
import { systemClock } from '../../../daemon/observe/clock.ts';
import { FakeInit } from '../../../daemon/testing/fake-init.ts';
import type { LinkHarness } from '../../contract/link-run.ts';

export const silent: Logger = pino({ level: 'silent' });

export interface FakeHarness extends LinkHarness {
  readonly init: FakeInit;
  readonly directory: string;
  readonly socketPath: string;
  readonly workspace: string;
  readonly listener: ControlListener;
  readonly failures: string[];
  nonces: Nonces;
}

export async function fakeLink(): Promise<FakeHarness> {
  const directory = await mkdtemp(join(tmpdir(), 'cloister-link-'));
  const workspace = join(directory, 'ws');
  await mkdir(workspace);
  const socketPath = join(directory, 'control.sock');
  const nonce = randomBytes(32);
  const failures: string[] = [];
  const link = new SandboxLink({ sandboxId: 'sb_test', clock: systemClock, log: silent, onFailed: (reason) => failures.push(reason) });
  const harness = { nonces: { current: nonce.toString('hex'), previous: null } as Nonces };
  const saveNonces = async (next: Nonces): Promise<void> => {
    harness.nonces = next;
  };
  const listener = await ControlListener.open({ socketPath, nonces: harness.nonces, saveNonces, link, clock: systemClock, log: silent });
  const init = new FakeInit({ socketPath, nonce, workspace });
  init.run();
  await link.waitUntilUp({ timeoutMs: 5_000 });
  return Object.assign(harness, {
    link,
    init,
    directory,
    socketPath,
    workspace,
    listener,
    failures,
    sharesLoopback: true,
    cut: () => init.cut(),
    [Symbol.asyncDispose]: async () => {
      link.close();
      await listener.close();
      await init[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  });
}
