// Backup and restore of the state directory: of a daemon that runs, into a directory that a new one goes on from.

import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { Cloister } from '../../client/index.ts';
import { loadSigningKeys } from '../../daemon/auth/signing-keys.ts';
import { verifyAuditLog } from '../../daemon/observe/audit-verify.ts';
import { auditKeyPathOf, auditPathOf } from '../../daemon/state-dir.ts';
import { startTestDaemon } from '../support/test-daemon.ts';

const SCRIPT = join(import.meta.dirname, '../../deploy/systemd/cloister-backup.sh');
const run = promisify(execFile);
const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: { readonly stderr: string }) => error.stderr,
  );

test('what is saved while a daemon runs is what the next one goes on from', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cl-tb-'));
  const file = join(directory, 'backup.tar');
  try {
    const former = await startTestDaemon({ config: { workspace: { poolBytes: 1024 ** 3 } } });
    let token: string;
    {
      await using _daemon = former;
      token = await former.token('acme');
      const sandbox = await (await former.connect('acme')).open({ session: 'kept' });
      await sandbox.files.write('dir/file.txt', 'before the backup');
      await sandbox.exec('head -c 3000000 /dev/urandom > big; sha256sum big > sum; sync');
      await sandbox.workspace.snapshot('first');
      const writing = sandbox.exec('while :; do echo more >> log; done', { background: true });
      await run('sh', [SCRIPT, 'save', former.stateDir, file]);
      // It has stood still, and goes on.
      expect((await sandbox.exec('a=$(wc -c < log); sleep 0.3; b=$(wc -c < log); test "$b" -gt "$a"')).exitCode).toBe(0);
      await writing.kill();
      await sandbox.files.write('dir/file.txt', 'after the backup');
      expect(await failure(run('sh', [SCRIPT, 'save', former.stateDir, file]))).toContain('it is there already');
    }
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const stateDir = join(directory, 'state');
    await run('sh', [SCRIPT, 'restore', file, stateDir]);
    expect(await failure(run('sh', [SCRIPT, 'restore', file, stateDir]))).toContain('it is there already');
    await using daemon = await startTestDaemon({ stateDir });
    // A token of the former daemon is one of this one.
    const cloister = await Cloister.connect({ url: daemon.url, token });
    const sandbox = await cloister.open({ session: 'kept' });
    expect(await sandbox.files.readText('dir/file.txt')).toBe('before the backup');
    expect((await sandbox.exec('sha256sum --check sum')).stdout).toBe('big: OK\n');
    expect((await sandbox.workspace.diff({ since: 'first' })).changes.map(({ path }) => path)).toContain('log');
    await cloister.close();
    const { publicKey } = await loadSigningKeys(auditKeyPathOf(stateDir));
    expect(await verifyAuditLog(auditPathOf(stateDir), publicKey)).toMatchObject({ verdict: 'holds' });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
