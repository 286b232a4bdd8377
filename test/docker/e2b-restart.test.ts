// A daemon that is killed: what E2B's own package finds of its sandboxes when the next one is there.

import { createHash } from 'node:crypto';
import { Sandbox } from 'e2b';
import { expect, test } from 'vitest';
import { freePort, newKey } from '../support/e2b-world.ts';
import { spawnTestDaemon } from '../support/test-daemon.ts';

test('a sandbox outlives a daemon that is killed, its commands go on, and none of them ends with a code it never had', async () => {
  const apiKey = newKey();
  const listen = `127.0.0.1:${await freePort()}`;
  const keys = [{ name: 'k', sha256: createHash('sha256').update(apiKey).digest('hex'), tenant: 'acme' }];
  const options = { config: { compat: { e2b: { listen, keys } } } };
  const as = { apiKey, apiUrl: `http://${listen}`, sandboxUrl: `http://${listen}` };
  const first = await spawnTestDaemon(options);
  const sandbox = await Sandbox.create({ ...as, metadata: { user: 'ann' } });
  await sandbox.commands.run('mkfifo gate');
  const running = await sandbox.commands.run('read -r line < gate; echo "$line"; exit 7', { background: true, timeoutMs: 0 });
  const cut = running.wait().then(
    () => 'ended well',
    (error: unknown) => error,
  );
  await first.crash();
  // The outcome is lost to this reader: an error, and no exit code.
  const error = await cut;
  expect(error).toBeInstanceOf(Error);
  expect((error as { exitCode?: number }).exitCode).toBeUndefined();

  await using second = await spawnTestDaemon({ ...options, stateDir: first.stateDir });
  expect(second.stateDir).toBe(first.stateDir);
  const [found] = await Sandbox.list({ ...as, query: { metadata: { user: 'ann' } } }).nextItems();
  expect(found).toMatchObject({ sandboxId: sandbox.sandboxId, state: 'running' });
  // The object of before is good still: its token is not kept anywhere, so nothing of it could be lost.
  expect((await sandbox.commands.list()).map(({ pid }) => pid)).toEqual([running.pid]);
  const again = await sandbox.commands.connect(running.pid, { timeoutMs: 0 });
  await sandbox.commands.run('echo done > gate');
  await expect(again.wait()).rejects.toMatchObject({ exitCode: 7, stdout: 'done\n' });
  expect(await sandbox.kill()).toBe(true);
});
