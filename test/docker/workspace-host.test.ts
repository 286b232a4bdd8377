// Directories of the host as workspaces, and how long workspaces of the store are kept.

import { chown, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister } from '../../client/index.ts';
import { listMounts } from '../../daemon/workspace/mounts.ts';
import { codeOf, eventually } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const OWNER = 54_321;

let roots: string;
let project: string;
let daemon: TestDaemon;
let client: Cloister;

beforeAll(async () => {
  roots = await realpath(await mkdtemp(join(tmpdir(), 'cl-host-')));
  project = join(roots, 'project');
  await mkdir(join(project, 'src'), { recursive: true });
  await writeFile(join(project, 'src', 'main'), 'on the host\n');
  for (const path of [roots, project, join(project, 'src'), join(project, 'src', 'main')]) await chown(path, OWNER, OWNER);
  await mkdir(join(roots, 'roots-own'));
  await mkdir(join(roots, 'roots-group'));
  await chown(join(roots, 'roots-group'), OWNER, 0);
  await mkdir(join(roots, 'somebodys'));
  await chown(join(roots, 'somebodys'), 200_005, 200_005);
  await symlink('project', join(roots, 'link'));
  daemon = await startTestDaemon({ config: { workspace: { hostRoots: [roots], retainMs: 2000 } } });
  client = await daemon.connect('acme');
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(roots, { recursive: true, force: true });
});

describe('a directory of the host', () => {
  test('is the workspace, and the sandbox runs as its owner', async () => {
    await using sandbox = await client.open({ session: 'host', workspace: { hostPath: project } });
    expect(sandbox.receipt).toMatchObject({
      uid: OWNER,
      gid: OWNER,
      workspace: { store: 'host', quota: 'none' },
      limits: { diskBytes: null },
    });
    expect((await sandbox.exec('cat src/main; id -u; echo made > made; grep " /workspace " /proc/self/mounts')).stdout).toMatch(
      /^on the host\n54321\n\S+ \/workspace \S+ rw,nosuid,nodev/,
    );
    expect(await readFile(join(project, 'made'), 'utf8')).toBe('made\n');
    expect((await stat(join(project, 'made'))).uid).toBe(OWNER);
    expect(await codeOf(sandbox.workspace.snapshot('x'))).toBe('INVALID_REQUEST');
    expect(await codeOf(client.open({ session: 'host', workspace: { hostPath: roots } }))).toBe('POLICY_INVALID');
  });

  test('stays when its session is closed with delete, and nothing is left mounted', async () => {
    const sandbox = await client.open({ session: 'host', workspace: { hostPath: project } });
    await sandbox.close({ workspace: 'delete' });
    expect((await readdir(project)).toSorted()).toEqual(['made', 'src']);
    expect((await listMounts(join(daemon.stateDir, 'host'))).length + (await listMounts(join(daemon.stateDir, 'host-ro'))).length).toBe(0);
  });

  test('is read-only under a profile that is', async () => {
    await using sandbox = await client.open({ session: 'reader', profile: 'readonly', workspace: { hostPath: project } });
    expect((await sandbox.exec('cat src/main; touch no')).stderr).toContain('Read-only file system');
  });

  test.each<[string, () => string, string]>([
    ['outside the roots', () => '/etc', 'POLICY_INVALID'],
    ['above the roots', () => join(roots, '..'), 'POLICY_INVALID'],
    ['through dots', () => `${roots}/x/../project`, 'POLICY_INVALID'],
    ['that is a symlink', () => join(roots, 'link'), 'POLICY_INVALID'],
    ['below a symlink', () => join(roots, 'link', 'src'), 'POLICY_INVALID'],
    ['of root', () => join(roots, 'roots-own'), 'POLICY_INVALID'],
    ['of the group of root', () => join(roots, 'roots-group'), 'POLICY_INVALID'],
    ['of a user that workspaces get', () => join(roots, 'somebodys'), 'POLICY_INVALID'],
    ['that is a file', () => join(project, 'src', 'main'), 'POLICY_INVALID'],
    ['that is not there', () => join(roots, 'nothing'), 'POLICY_INVALID'],
    ['whose name begins like a root', () => `${roots}-other`, 'POLICY_INVALID'],
    ['that holds the daemon’s state', () => daemon.stateDir, 'POLICY_INVALID'],
  ])('%s is refused', async (_, path, code) => {
    expect(await codeOf(client.open({ session: 'refused', workspace: { hostPath: path() } }))).toBe(code);
    expect(await codeOf(client.open({ session: 'refused', role: 'participant' }))).toBe('NOT_FOUND');
  });

  test('belongs to one tenant, with what is above and below it', async () => {
    await using sandbox = await client.open({ session: 'mine', workspace: { hostPath: project } });
    const rival = await daemon.connect('rival');
    for (const hostPath of [project, join(project, 'src'), roots])
      expect(await codeOf(rival.open({ session: 'theirs', workspace: { hostPath } }))).toBe('FORBIDDEN');
    expect(sandbox.receipt.uid).toBe(OWNER);
  });

  test('has no limit to ask for', async () => {
    expect(await codeOf(client.open({ session: 'limited', workspace: { hostPath: project, maxBytes: 2 ** 30 } }))).toBe('POLICY_INVALID');
  });
});

describe('a kept workspace', () => {
  test('is there when its session is opened again, until it was not used for retainMs', async () => {
    const first = await client.open({ session: 'kept' });
    await first.files.write('a', 'a');
    const { uid } = first.receipt;
    await first.close();
    const second = await client.open({ session: 'kept' });
    expect(await second.files.readText('a')).toBe('a');
    expect(second.receipt.uid).toBe(uid);
    const records = join(daemon.stateDir, 'workspaces');
    const left = await readdir(records);
    await second.close();
    // Host directories that somebody used are not ours to delete.
    await eventually(
      async () => (await readdir(records)).length,
      (count) => count < left.length,
    );
    const third = await client.open({ session: 'kept' });
    expect(await third.files.exists('a')).toBe(false);
    expect((await readdir(project)).toSorted()).toEqual(['made', 'src']);
    await third.close({ workspace: 'delete' });
  });
});
