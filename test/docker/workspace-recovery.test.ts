// A daemon that is killed while commands with checkpoints run, and while workspaces are restored.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cloister } from '../../client/index.ts';
import { freePort } from '../support/tcp-relay.ts';
import { spawnTestDaemon, type SpawnedDaemon } from '../support/test-daemon.ts';

const connect = async (daemon: SpawnedDaemon): Promise<Cloister> =>
  Cloister.connect({ url: daemon.url, token: await daemon.token('acme'), reconnect: { minDelayMs: 50, maxDelayMs: 200 } });

test('the next daemon knows what the command changed, and takes it back', async () => {
  const listen = `127.0.0.1:${await freePort()}`;
  let daemon = await spawnTestDaemon({ listen });
  const { stateDir } = daemon;
  try {
    const client = await connect(daemon);
    const sandbox = await client.open({ session: 'survivor' });
    await sandbox.files.write('state', 'old');
    await sandbox.workspace.snapshot('named');
    const running = sandbox.exec('echo started; sleep 2; echo new > state; echo more > extra', { checkpoint: true, background: true });
    for await (const { text } of running) if (text.includes('started')) break;
    const attached = sandbox.attach(running.id);
    await daemon.crash();
    daemon = await spawnTestDaemon({ listen, stateDir });
    const result = await attached;
    expect(result.changes?.map(({ kind, path }) => `${kind} ${path}`)).toEqual(['created extra', 'changed state']);
    await sandbox.workspace.undo(running.id);
    expect(await sandbox.files.readText('state')).toBe('old');
    expect(await sandbox.files.exists('extra')).toBe(false);

    // Killed in the middle of a restore: the session is gone or there, its content one of the two.
    await sandbox.files.write('state', 'later');
    const restoring = sandbox.workspace.restore('named').catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 150));
    await daemon.crash();
    daemon = await spawnTestDaemon({ listen, stateDir });
    await restoring;
    await client.close();
    const again = await connect(daemon);
    const reopened = await again.open({ session: 'survivor', takeover: true });
    expect(['old', 'later']).toContain(await reopened.files.readText('state'));
    expect((await reopened.workspace.snapshots()).map(({ name, execId }) => execId ?? name)).toEqual(['named', running.id]);
    await reopened.workspace.restore('named');
    expect(await reopened.files.readText('state')).toBe('old');
    await reopened.close({ workspace: 'delete' });
    const pool = join(stateDir, 'pool');
    for (const directory of ['ws', 'snap', 'new', 'old', 'meta']) expect(await readdir(join(pool, directory))).toEqual([]);
    expect(await readdir(join(stateDir, 'checkpoints'))).toEqual([]);
    await again.close();
  } finally {
    await daemon[Symbol.asyncDispose]();
  }
});
