// What every workspace store must do, run against each implementation on the real kernel (root).

import { spawn } from 'node:child_process';
import { lstat, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileOwners } from '../../daemon/workspace/file-owners.ts';
import { listMounts, mountFlags } from '../../daemon/workspace/mounts.ts';
import { newWorkspaceId, type WorkspaceStore } from '../../daemon/workspace/store.ts';

export const MIB = 1024 * 1024;
export const silentLog = pino({ level: 'silent' });

export interface WorkspaceStoreCase {
  readonly name: string;
  readonly hasQuota: boolean;
  open(stateDir: string, options?: { readonly floorBytes?: number }): Promise<WorkspaceStore>;
}

/** Runs a shell command as a tenant would: unprivileged, inside the directory. */
export async function runAs(uid: number, cwd: string, command: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return await new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', command], {
      cwd,
      uid,
      gid: uid,
      env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

export async function newStateDir(): Promise<string> {
  return await realpath(await mkdtemp('/tmp/cloister-store-'));
}

/** A state directory is gone for good only if nothing is mounted in it any more. */
export async function removeStateDir(stateDir: string): Promise<void> {
  const left = (await listMounts(stateDir)).map(({ target }) => target);
  if (left.length > 0) throw new Error(`mounts left behind: ${left.join(', ')}`);
  await rm(stateDir, { recursive: true, force: true });
}

export function workspaceStoreContract(subject: WorkspaceStoreCase): void {
  describe(`workspace store: ${subject.name}`, () => {
    const uid = 231_000;
    let stateDir = '';
    let store: WorkspaceStore;
    const create = async (overrides: Partial<Parameters<WorkspaceStore['create']>[0]> = {}): Promise<{ id: string; path: string }> => {
      const id = newWorkspaceId();
      const { path } = await store.create({
        id,
        uid,
        gid: uid,
        maxBytes: subject.hasQuota ? 64 * MIB : null,
        tenant: 'acme',
        ...overrides,
      });
      return { id, path };
    };

    beforeAll(async () => {
      stateDir = await newStateDir();
      store = await subject.open(stateDir);
    });
    afterAll(async () => {
      await store.dispose();
      await removeStateDir(stateDir);
    });

    it('gives a new workspace to its uid alone', async () => {
      const { id, path } = await create();
      const root = await lstat(path);
      expect([root.uid, root.gid, root.mode & 0o7777]).toEqual([uid, uid, 0o700]);
      expect(await readdir(path)).toEqual([]);
      expect(path).toBe(store.path(id));
      expect((await runAs(uid, path, 'echo mine > a && cat a')).stdout).toBe('mine\n');
      expect((await runAs(uid + 1, path, 'cat a')).stderr).toContain('Permission denied');
      expect((await runAs(uid + 1, path, 'echo other > b')).stderr).toContain('Permission denied');
    });

    it('refuses an id that is taken and one that is no id', async () => {
      const { id } = await create();
      await expect(create({ id })).rejects.toMatchObject({ code: 'FILE_EXISTS' });
      for (const hostile of ['../../../../etc/passwd', 'snap', '', 'A'.repeat(20), `${'a'.repeat(20)}\n`, 'a'.repeat(33)]) {
        expect(() => store.path(hostile)).toThrow(/not a workspace id/);
        await expect(store.remove(hostile)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
      }
    });

    it('shows a workspace on a mount without set-uid and devices, and again read-only', async () => {
      const { id, path } = await create();
      const [writable, readonly] = await Promise.all([flagsOver(path), flagsOver(store.readonlyPath(id))]);
      expect(writable).toEqual(expect.arrayContaining(['rw', 'nosuid', 'nodev']));
      expect(readonly).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev']));
      await writeFile(join(path, 'seen'), 'by both');
      expect(await readFile(join(store.readonlyPath(id), 'seen'), 'utf8')).toBe('by both');
      await expect(writeFile(join(store.readonlyPath(id), 'seen'), 'no')).rejects.toMatchObject({ code: 'EROFS' });
    });

    it('states the quota the kernel enforces and what is used', async () => {
      const { id, path } = await create();
      expect(await store.quota(id)).toEqual({ maxBytes: subject.hasQuota ? 64 * MIB : null });
      await runAs(uid, path, 'head -c 8M /dev/urandom > data && sync data');
      const { usedBytes, maxBytes } = await store.usage(id);
      expect(usedBytes).toBeGreaterThanOrEqual(8 * MIB);
      expect(usedBytes).toBeLessThan(9 * MIB);
      expect(maxBytes).toBe(subject.hasQuota ? 64 * MIB : null);
    });

    it('answers NOT_FOUND for a workspace and a snapshot that do not exist', async () => {
      const absent = newWorkspaceId();
      const { id } = await create();
      const calls: Record<string, () => Promise<unknown>> = {
        quota: async () => await store.quota(absent),
        usage: async () => await store.usage(absent),
        setQuota: async () => await store.setQuota(absent, null),
        snapshot: async () => await store.snapshot(absent, 's'),
        deleteSnapshot: async () => await store.deleteSnapshot(id, 's'),
        clone: async () => await store.clone(absent, { id: newWorkspaceId(), uid, gid: uid, maxBytes: null, tenant: 'acme' }),
        cloneOfSnapshot: async () =>
          await store.clone(id, { id: newWorkspaceId(), uid, gid: uid, maxBytes: null, tenant: 'acme', snapshot: 's' }),
      };
      for (const [verb, call] of Object.entries(calls)) {
        const failure = await call().catch((error: unknown) => error);
        expect({ verb, failure }).toMatchObject({ verb, failure: { code: 'NOT_FOUND' } });
      }
      expect(await store.list()).not.toContain(absent);
    });

    it('keeps a snapshot as it was while the workspace goes on', async () => {
      const { id, path } = await create();
      await runAs(uid, path, 'mkdir d && echo before > d/f && ln -s /etc/passwd link && chmod 640 d/f');
      const taken = await store.snapshot(id, 'first');
      await runAs(uid, path, 'echo after > d/f && rm link && echo new > g');
      expect(await readFile(join(taken.path, 'd/f'), 'utf8')).toBe('before\n');
      expect((await lstat(join(taken.path, 'link'))).isSymbolicLink()).toBe(true);
      expect((await lstat(join(taken.path, 'd/f'))).mode & 0o7777).toBe(0o640);
      expect((await readdir(taken.path)).toSorted()).toEqual(['d', 'link']);
      await expect(store.snapshot(id, 'first')).rejects.toMatchObject({ code: 'FILE_EXISTS' });
      await expect(store.snapshot(id, '../x')).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
      await store.snapshot(id, 'second');
      expect((await store.listSnapshots(id)).map(({ name }) => name)).toEqual(['first', 'second']);
      await store.deleteSnapshot(id, 'first');
      expect((await store.listSnapshots(id)).map(({ name }) => name)).toEqual(['second']);
      expect(await readFile(join(path, 'd/f'), 'utf8')).toBe('after\n');
    });

    it('forks the present state or a snapshot into a workspace of its own', async () => {
      const { id, path } = await create();
      await runAs(uid, path, 'echo one > f');
      await store.snapshot(id, 'one');
      await runAs(uid, path, 'echo two > f');
      const fork = { uid, gid: uid, maxBytes: subject.hasQuota ? 32 * MIB : null, tenant: 'acme' };
      const present = await store.clone(id, { ...fork, id: newWorkspaceId() });
      const past = await store.clone(id, { ...fork, id: newWorkspaceId(), snapshot: 'one' });
      expect(await readFile(join(present.path, 'f'), 'utf8')).toBe('two\n');
      expect(await readFile(join(past.path, 'f'), 'utf8')).toBe('one\n');
      await runAs(uid, past.path, 'echo three > f');
      expect(await readFile(join(path, 'f'), 'utf8')).toBe('two\n');
      await store.remove(id);
      expect(await readFile(join(past.path, 'f'), 'utf8')).toBe('three\n');
      await expect(store.clone(past.path.split('/').at(-1) ?? '', { ...fork, uid: uid + 1, id: newWorkspaceId() })).rejects.toThrow(
        /belong to uid/,
      );
    });

    it('puts a snapshot in the place of the present state, with its limit, and keeps its snapshots', async () => {
      const { id, path } = await create();
      await runAs(uid, path, 'echo one > f; mkdir d');
      await store.snapshot(id, 'one');
      await runAs(uid, path, 'echo two > f; rmdir d; touch more');
      const limit = await store.quota(id);
      await store.restore(id, 'one');
      expect((await readdir(path)).toSorted()).toEqual(['d', 'f']);
      expect(await readFile(join(path, 'f'), 'utf8')).toBe('one\n');
      expect((await lstat(path)).mode & 0o7777).toBe(0o700);
      expect((await runAs(uid, path, 'echo three > f && cat f')).stdout).toBe('three\n');
      expect(await store.quota(id)).toEqual(limit);
      expect((await store.listSnapshots(id)).map(({ name }) => name)).toEqual(['one']);
      await store.restore(id, 'one');
      expect(await readFile(join(path, 'f'), 'utf8')).toBe('one\n');
      await expect(store.restore(id, 'other')).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await store.remove(id);
      expect(await store.list()).not.toContain(id);
    });

    it('removes snapshots, read-only, deep and immutable trees, and many files, and says nothing the second time', async () => {
      const { id, path } = await create();
      await runAs(uid, path, 'mkdir many && cd many && seq 20000 | xargs touch');
      await runAs(uid, path, `i=0; n=$(printf %0200d 0); while [ $i -lt 300 ]; do mkdir $n && cd -P $n || break; i=$((i+1)); done`);
      await runAs(uid, path, 'mkdir locked && touch locked/f && chmod 000 locked; mkfifo pipe');
      await runAs(0, path, 'mkdir fixed && touch fixed/f && chattr +i fixed/f');
      if (subject.hasQuota) await store.snapshot(id, 'before');
      await store.remove(id);
      expect(await store.list()).not.toContain(id);
      await expect(lstat(path)).rejects.toMatchObject({ code: 'ENOENT' });
      await store.remove(id);
    });

    it('finds everything again after a crash, without mounting anything twice', async () => {
      const { id, path } = await create();
      await runAs(uid, path, 'echo kept > f');
      await store.snapshot(id, 'kept');
      const mounts = (await listMounts(stateDir)).map(({ target }) => target);
      const reopened = await subject.open(stateDir);
      expect((await listMounts(stateDir)).map(({ target }) => target)).toEqual(mounts);
      expect(await reopened.quota(id)).toEqual(await store.quota(id));
      expect(await readFile(join(reopened.path(id), 'f'), 'utf8')).toBe('kept\n');
      expect((await reopened.listSnapshots(id)).map(({ name }) => name)).toEqual(['kept']);
      await reopened.remove(id);
      expect(await store.list()).not.toContain(id);
    });

    it('tells whose files are there, so that no uid is given out again while they exist', async () => {
      const { id } = await create({ uid: uid + 7, gid: uid + 7 });
      expect(await fileOwners(store, [id, newWorkspaceId()])).toEqual([uid + 7]);
      await store.snapshot(id, 's');
      expect(await fileOwners(store, [id])).toEqual([uid + 7]);
      await store.remove(id);
      expect(await fileOwners(store, [id])).toEqual([]);
    });

    it('keeps the files and no mount when it is disposed', async () => {
      const { id } = await create();
      await writeFile(join(store.path(id), 'f'), 'still here');
      await store.dispose();
      expect(await listMounts(stateDir)).toEqual([]);
      store = await subject.open(stateDir);
      expect(await readFile(join(store.path(id), 'f'), 'utf8')).toBe('still here');
      expect(await store.list()).toContain(id);
    });

    it('refuses new workspaces while free space is under the floor', async () => {
      const tight = await subject.open(stateDir, { floorBytes: Number.MAX_SAFE_INTEGER });
      const request = { id: newWorkspaceId(), uid, gid: uid, maxBytes: null, tenant: null };
      await expect(tight.create(request)).rejects.toMatchObject({
        code: 'CAPACITY',
        message: expect.stringContaining('the floor is') as string,
      });
      expect(await tight.list()).not.toContain(request.id);
    });
  });
}

async function flagsOver(path: string): Promise<readonly string[]> {
  for (let directory = path; directory !== ''; directory = directory.slice(0, directory.lastIndexOf('/'))) {
    const flags = await mountFlags(directory);
    if (flags !== undefined) return flags;
  }
  return [];
}
