// The btrfs store keeps the contract of workspace stores; its quotas hold against the owner of the files.

import { access, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listMounts, mountAt } from '../../daemon/workspace/mounts.ts';
import { openWorkspaceStore } from '../../daemon/workspace/open-store.ts';
import { runCommand } from '../../daemon/workspace/run-command.ts';
import { newWorkspaceId, type WorkspaceStore } from '../../daemon/workspace/store.ts';
import { MIB, newStateDir, removeStateDir, runAs, silentLog, workspaceStoreContract } from '../contract/workspace-store-contract.ts';

const open = async (stateDir: string, options: { readonly floorBytes?: number } = {}): Promise<WorkspaceStore> =>
  await openWorkspaceStore({
    stateDir,
    kind: 'auto',
    poolBytes: 1024 * MIB,
    acceptNoQuota: false,
    floorBytes: 64 * MIB,
    tenantMaxBytes: (tenant) => (tenant === 'small' ? 96 * MIB : null),
    log: silentLog,
    ...options,
  });

workspaceStoreContract({ name: 'btrfs pool file', hasQuota: true, open });

describe('btrfs store', () => {
  const uid = 231_200;
  let stateDir = '';
  let store: WorkspaceStore;
  const create = async (overrides: Partial<Parameters<WorkspaceStore['create']>[0]> = {}): Promise<{ id: string; path: string }> => {
    const id = newWorkspaceId();
    const { path } = await store.create({ id, uid, gid: uid, maxBytes: 64 * MIB, tenant: 'acme', ...overrides });
    return { id, path };
  };
  const poolUuid = async (): Promise<string | undefined> => {
    const device = (await mountAt(join(stateDir, 'pool')))?.source.split('/').at(-1) ?? '';
    for (const uuid of await readdir('/sys/fs/btrfs')) {
      const isPool = await access(join('/sys/fs/btrfs', uuid, 'devices', device)).then(
        () => true,
        () => false,
      );
      if (isPool) return uuid;
    }
    return undefined;
  };
  const groups = async (): Promise<string[]> =>
    (await readdir(join('/sys/fs/btrfs', (await poolUuid()) ?? '', 'qgroups')))
      .filter((name) => /^\d_\d+$/.test(name) && name !== '0_5')
      .toSorted();

  beforeAll(async () => {
    stateDir = await newStateDir();
    store = await open(stateDir);
  });
  afterAll(async () => {
    await store.dispose();
    await removeStateDir(stateDir);
  });

  it('stops a write at the quota, and lets the owner delete and go on', async () => {
    const { id, path } = await create();
    const full = await runAs(uid, path, 'head -c 80M /dev/zero > big; sync');
    expect(full.stderr).toMatch(/Disk quota exceeded|No space left on device/);
    const { usedBytes } = await store.usage(id);
    expect(usedBytes).toBeGreaterThan(50 * MIB);
    expect(usedBytes).toBeLessThanOrEqual(64 * MIB);
    expect((await runAs(uid, path, 'rm big && echo more > small && cat small')).stdout).toBe('more\n');
    await store.setQuota(id, 128 * MIB);
    expect(await store.quota(id)).toEqual({ maxBytes: 128 * MIB });
    expect((await runAs(uid, path, 'head -c 80M /dev/zero > big')).code).toBe(0);
    await store.remove(id);
  });

  it('stops a flood of empty files at the quota: metadata counts', async () => {
    const { id, path } = await create({ maxBytes: 4 * MIB });
    const flood = await runAs(uid, path, 'seq 30000 | xargs -n 30000 touch 2>&1 | head -1');
    expect(flood.stdout).toMatch(/Disk quota exceeded|No space left on device/);
    await store.remove(id);
  });

  it('counts snapshots into the storage of their tenant, so checkpoints cannot fill the disk', async () => {
    const { id, path } = await create({ tenant: 'small' });
    expect((await runAs(uid, path, 'head -c 48M /dev/urandom > data && sync data')).code).toBe(0);
    await store.snapshot(id, 'one');
    const rewritten = await runAs(uid, path, 'rm data; sync .; head -c 60M /dev/urandom > data; sync data');
    expect(rewritten.stderr).toMatch(/Disk quota exceeded|No space left on device/);
    const other = await create({ tenant: 'acme' });
    expect((await runAs(uid, other.path, 'head -c 48M /dev/urandom > data && sync data')).code).toBe(0);
    await store.deleteSnapshot(id, 'one');
    expect((await runAs(uid, path, 'rm -f data; sync .; head -c 60M /dev/urandom > data && sync data')).code).toBe(0);
    await store.remove(id);
    await store.remove(other.id);
  });

  it('counts a claimed spare into its new tenant, once', async () => {
    const { id, path } = await create({ tenant: null });
    await store.assignTenant(id, 'small');
    await store.assignTenant(id, 'small');
    await expect(store.assignTenant(id, 'acme')).rejects.toThrow(/belongs to another/);
    await store.setQuota(id, 512 * MIB);
    expect((await runAs(uid, path, 'head -c 200M /dev/zero > big; sync')).stderr).toMatch(/Disk quota exceeded|No space left on device/);
    await store.remove(id);
  });

  it('deletes subvolumes that the tenant nested, read-only ones and ones with hostile names too', async () => {
    const { id, path } = await create();
    const made = await runAs(
      uid,
      path,
      [
        'btrfs subvolume create nest',
        'mkdir -p d/e && btrfs subvolume create d/e/inner && btrfs subvolume create d/e/inner/innermost && echo x > d/e/inner/innermost/x',
        `btrfs subvolume create "$(printf 'a\\nID 256 gen 7 top level 5 path ws')"`,
        'btrfs subvolume create -- -rf',
        '(n=$(printf %0200d 0); for i in $(seq 40); do mkdir $n && cd -P $n || exit 1; done; btrfs subvolume create far && btrfs subvolume create far/in && btrfs property set -ts far ro true) 2>/dev/null',
        'btrfs subvolume create frozen && btrfs subvolume create frozen/in && btrfs property set -ts frozen ro true',
      ].join(' && '),
    );
    expect(made.stderr).toBe('');
    const bystander = await create();
    await writeFile(join(bystander.path, 'f'), 'untouched');
    expect((await groups()).filter((name) => name.startsWith('0_')).length).toBeGreaterThan(10);
    await store.remove(id);
    expect(await store.list()).not.toContain(id);
    expect(await readFile(join(bystander.path, 'f'), 'utf8')).toBe('untouched');
    await store.remove(bystander.id);
  });

  it('leaves no subvolume and no quota group when the last workspace is gone', async () => {
    for (const id of await store.list()) await store.remove(id);
    expect(await groups()).toEqual([]);
    expect((await runCommand('btrfs', ['subvolume', 'list', join(stateDir, 'pool')])).trim()).toBe('');
    expect(await store.list()).toEqual([]);
  });

  it('keeps quotas after a snapshot with a big tree is dropped: accounting covers deletions at every depth', async () => {
    const { id, path } = await create({ maxBytes: 512 * MIB });
    await runAs(uid, path, 'mkdir m && cd m && seq 30000 | xargs touch');
    await store.snapshot(id, 'big');
    await runAs(uid, path, 'rm -rf m');
    await store.deleteSnapshot(id, 'big');
    const qgroups = join('/sys/fs/btrfs', (await poolUuid()) ?? '', 'qgroups');
    expect(await readFile(join(qgroups, 'inconsistent'), 'utf8')).toBe('0\n');
    expect(await readFile(join(qgroups, 'drop_subtree_threshold'), 'utf8')).toBe('8\n');
    expect(await store.quota(id)).toEqual({ maxBytes: 512 * MIB });
    expect((await store.usage(id)).usedBytes).toBeLessThan(4 * MIB);
    await store.remove(id);
  });

  it('creates 20 workspaces of one tenant at once', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, async () => await create()));
    const quotas = await Promise.all(made.map(async ({ id }) => await store.quota(id)));
    expect(new Set(quotas.map(({ maxBytes }) => maxBytes))).toEqual(new Set([64 * MIB]));
    await Promise.all(
      made.map(async ({ id }) => {
        await store.remove(id);
      }),
    );
    expect(await groups()).toEqual([]);
  });

  it('clears away a workspace whose creation was cut short, and never takes it for a whole one', async () => {
    const id = newWorkspaceId();
    await runCommand('btrfs', ['subvolume', 'create', join(stateDir, 'pool', 'new', id)]);
    const again = await open(stateDir);
    await expect(again.quota(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await readdir(join(stateDir, 'pool', 'new'))).toEqual([]);
    expect(await groups()).toEqual([]);
  });

  it('leaves no mount and no loop device when it is disposed', async () => {
    const poolFile = join(stateDir, 'pool.btrfs');
    await store.dispose();
    expect(await runCommand('losetup', ['--associated', poolFile])).toBe('');
    expect(await listMounts(stateDir)).toEqual([]);
    expect((await stat(poolFile)).size).toBe(1024 * MIB);
    store = await open(stateDir);
  });
});

describe('opening the btrfs store', () => {
  it('starts over when a crash left a half-made pool file', async () => {
    const stateDir = await newStateDir();
    await writeFile(join(stateDir, 'pool.btrfs.new'), 'garbage');
    const store = await open(stateDir);
    expect(store.kind).toBe('btrfs');
    await store.dispose();
    await removeStateDir(stateDir);
  });

  it('refuses a pool file that holds no btrfs, and mounts nothing', async () => {
    const stateDir = await newStateDir();
    await writeFile(join(stateDir, 'pool.btrfs'), '');
    await truncate(join(stateDir, 'pool.btrfs'), 256 * MIB);
    await expect(open(stateDir)).rejects.toThrow(/Cannot run mount/);
    expect(await runCommand('losetup', ['--associated', join(stateDir, 'pool.btrfs')])).toBe('');
    await removeStateDir(stateDir);
  });

  it('refuses a pool larger than the free space', async () => {
    const stateDir = await newStateDir();
    const options = { stateDir, kind: 'btrfs', poolBytes: 2 ** 50, acceptNoQuota: true, log: silentLog } as const;
    await expect(openWorkspaceStore(options)).rejects.toMatchObject({
      code: 'CAPACITY',
      message: expect.stringContaining('are free') as string,
    });
    await removeStateDir(stateDir);
  });

  it('uses the btrfs under the state directory when its operator has quotas on, and a pool file when not', async () => {
    const disk = await newStateDir();
    const image = join(disk, 'disk.img');
    const mountPoint = join(disk, 'mnt');
    await writeFile(image, '');
    await truncate(image, 2048 * MIB);
    await runCommand('mkfs.btrfs', ['--quiet', image]);
    await runCommand('mkdir', [mountPoint]);
    await runCommand('mount', ['-o', 'loop', image, mountPoint]);
    try {
      const own = await open(mountPoint);
      expect(
        await access(join(mountPoint, 'pool.btrfs')).then(
          () => 'pool file',
          () => 'none',
        ),
      ).toBe('pool file');
      await own.dispose();
      await rm(join(mountPoint, 'pool.btrfs'));
      await runCommand('btrfs', ['quota', 'enable', mountPoint]);
      const shared = await open(mountPoint);
      const request = { id: newWorkspaceId(), uid: 231_300, gid: 231_300, maxBytes: 32 * MIB, tenant: 'acme' };
      const { path } = await shared.create(request);
      expect((await runAs(231_300, path, 'head -c 40M /dev/zero > big; sync')).stderr).toMatch(
        /Disk quota exceeded|No space left on device/,
      );
      expect(await shared.quota(request.id)).toEqual({ maxBytes: 32 * MIB });
      expect(
        await access(join(mountPoint, 'pool.btrfs')).then(
          () => 'pool file',
          () => 'none',
        ),
      ).toBe('none');
      await shared.remove(request.id);
      await shared.dispose();
    } finally {
      await runCommand('umount', [mountPoint]);
    }
    await removeStateDir(disk);
  });
});
