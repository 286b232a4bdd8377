// Host mounts carry the flags they were asked for, also where a shared parent copies them into another mount tree.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureBind, ensureTmpfs } from '../../daemon/workspace/ensure-mount.ts';
import {
  bindMount,
  listMounts,
  mountFlags,
  mountTmpfs,
  remountFlags,
  removeMountStages,
  requireFlags,
  unmount,
  unmountAllUnder,
} from '../../daemon/workspace/mounts.ts';
import { runCommand } from '../../daemon/workspace/run-command.ts';
import { newStateDir, removeStateDir } from '../contract/workspace-store-contract.ts';

const TMPFS = { sizeBytes: 1024 * 1024, inodes: 64, mode: 0o700, flags: ['nosuid', 'nodev', 'noexec'] } as const;

describe('host mounts', () => {
  let dir = '';
  const at = async (name: string): Promise<string> => {
    await mkdir(join(dir, name), { recursive: true });
    return join(dir, name);
  };

  beforeEach(async () => {
    dir = await newStateDir();
  });
  afterEach(async () => {
    await unmountAllUnder(dir);
    await removeStateDir(dir);
  });

  it('binds with exactly the flags asked for, in a path with spaces, newlines and backslashes too', async () => {
    const source = await at('source');
    const target = await at('a b\n\\040c');
    await bindMount(source, target, ['ro', 'nosuid', 'nodev', 'noexec']);
    expect(await mountFlags(target)).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev', 'noexec']));
    await remountFlags(target, ['nosuid']);
    expect(await mountFlags(target)).toEqual(expect.arrayContaining(['rw', 'nosuid']));
    expect(await mountFlags(target)).not.toContain('noexec');
    await expect(requireFlags(target, ['ro'])).rejects.toMatchObject({ code: 'ENFORCEMENT_MISMATCH' });
    await unmount(target);
    expect(await mountFlags(target)).toBeUndefined();
  });

  it('gives a read-only bind under a shared parent its flags in every copy of the mount tree', async () => {
    const parent = await at('parent');
    const peer = await at('peer');
    await mountTmpfs(parent, TMPFS);
    await runCommand('mount', ['--make-shared', parent]);
    await runCommand('mount', ['--bind', parent, peer]);
    await mkdir(join(parent, 'source'));
    await mkdir(join(parent, 'view'));
    await bindMount(join(parent, 'source'), join(parent, 'view'), ['ro', 'nosuid', 'nodev']);
    for (const copy of [parent, peer]) {
      const flags = await mountFlags(join(copy, 'view'));
      expect(flags).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev']));
      expect(flags).not.toContain('noexec');
    }
    expect((await listMounts(dir)).map(({ target }) => target.slice(dir.length)).toSorted()).toEqual([
      '/parent',
      '/parent/view',
      '/peer',
      '/peer/view',
    ]);
  });

  it('clears away the stage of a bind that was killed half-way', async () => {
    const stage = await at('.mount-stage-0123456789ab');
    await mountTmpfs(stage, TMPFS);
    await mkdir(join(stage, 'mount'));
    await runCommand('mount', ['--bind', dir, join(stage, 'mount')]);
    await removeMountStages(dir);
    expect(await listMounts(dir)).toEqual([]);
  });

  it('adopts a mount that is right, and replaces a bind that is half-made or of something else', async () => {
    const source = await at('source');
    const target = await at('target');
    await runCommand('mount', ['--bind', source, target]);
    expect(await ensureBind(source, target, ['ro', 'nosuid'])).toBe(false);
    expect(await ensureBind(source, target, ['ro', 'nosuid'])).toBe(true);
    expect(await ensureBind(await at('other'), target, ['ro', 'nosuid'])).toBe(false);
    expect((await listMounts(target)).length).toBe(1);
    expect(await ensureTmpfs(await at('tmp'), TMPFS)).toBe(false);
    expect(await ensureTmpfs(await at('tmp'), TMPFS)).toBe(true);
    await expect(ensureTmpfs(target, TMPFS)).rejects.toThrow(/is mounted there/);
  });

  it('bounds a tmpfs in bytes and in files', async () => {
    const target = await at('tmp');
    await mountTmpfs(target, { ...TMPFS, inodes: 8 });
    await expect(writeFile(join(target, 'big'), new Uint8Array(2 * 1024 * 1024))).rejects.toMatchObject({ code: 'ENOSPC' });
    const many = Array.from({ length: 9 }, async (_, index) => {
      await writeFile(join(target, `f${index}`), '');
    });
    expect((await Promise.allSettled(many)).filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
  });

  it('unmounts stacked and nested mounts, deepest first', async () => {
    const outer = await at('outer');
    await mountTmpfs(outer, TMPFS);
    await mountTmpfs(outer, TMPFS);
    await mkdir(join(outer, 'inner'));
    await mountTmpfs(join(outer, 'inner'), TMPFS);
    expect(await unmountAllUnder(dir)).toEqual({ detached: [] });
    expect(await listMounts(dir)).toEqual([]);
  });
});
