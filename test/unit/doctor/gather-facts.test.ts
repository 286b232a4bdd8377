// Facts are read from this very host; none of them changes anything, and what is not there is said to be not there.

import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { examine } from '../../../daemon/doctor/doctor.ts';
import { gatherFacts } from '../../../daemon/doctor/gather-facts.ts';
import { facts, NOW } from './healthy-facts.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cl-doctor-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const gather = (stateDir = directory, set = {}) =>
  gatherFacts({
    settings: {
      ...facts().settings,
      stateDir,
      auditFile: join(stateDir, 'audit.jsonl'),
      auditKeyFile: join(stateDir, 'keys', 'audit-ed25519.pem'),
      privateEngine: 'never',
      ...set,
    },
    engineSocket: join(directory, 'no-engine.sock'),
    dockerHost: undefined,
    seccompDir: join(import.meta.dirname, '../../../seccomp'),
    platform: 'linux',
    arch: 'x64',
    isRoot: true,
    clock: { now: () => NOW } as never,
  });

describe('facts', () => {
  test('of a state directory are its files, their modes and its parents', async () => {
    await mkdir(join(directory, 'keys'), { mode: 0o700 });
    await writeFile(join(directory, 'keys', 'token-ed25519.pem'), 'x');
    await chmod(join(directory, 'keys', 'token-ed25519.pem'), 0o640);
    await writeFile(join(directory, 'last-backup'), '');
    await symlink('/etc/passwd', join(directory, 'link'));
    const found = await gather();
    // Neither the mark of backups, which says nothing, nor where a symlink leads.
    expect(found.stateFiles.map(({ path, mode }) => `${mode.toString(8)} ${path.slice(directory.length)}`).toSorted()).toEqual([
      '640 /keys/token-ed25519.pem',
      '700 ',
      '700 /keys',
    ]);
    expect(found.stateParents.at(-1)).toMatchObject({ path: '/', uid: 0 });
    expect(found.tokenKeys).toMatchObject([{ mode: 0o640 }]);
    expect(found.lastBackupMs).not.toBeNull();
    expect(examine(found).findings.find(({ id }) => id === 'state-directory')).toMatchObject({ verdict: 'fail' });
  });

  test('of what is not there are none, and nothing is made', async () => {
    const found = await gather(join(directory, 'nowhere'));
    expect(found).toMatchObject({ stateFiles: [], tokenKeys: [], audit: { verdict: 'absent' }, lastBackupMs: null, newestStateMs: null });
    expect(found.engine).toMatchObject({ error: expect.stringContaining('no-engine.sock') as string, canStartOwn: false });
    expect(found.disk.totalBytes).toBeGreaterThan(0);
    expect(await readdir(directory)).toEqual([]);
  });

  test('of an audit log without its key say that it cannot be checked', async () => {
    await writeFile(join(directory, 'audit.jsonl'), '{}\n');
    expect((await gather()).audit).toMatchObject({ verdict: 'unreadable' });
  });

  test('of the kernel, its limits and the filter are read', async () => {
    const found = await gather();
    expect(found.kernelRelease).toMatch(/^\d+\.\d+/);
    expect(found.seccomp).toEqual([
      { name: 'strict', error: null },
      { name: 'debug', error: null },
    ]);
    expect([1, 2]).toContain(found.cgroup.version);
    expect(Object.values(found.sysctls).filter((value) => value !== null).length).toBeGreaterThan(0);
  });
});
