import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readJsonFile, writeFileAtomic } from '../../../daemon/observe/atomic-file.ts';

describe('state files', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cloister-atomic-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  it('are replaced whole, with the mode asked for, and leave nothing beside them', async () => {
    const path = join(directory, 'f');
    await writeFileAtomic(path, 'one');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => await writeFileAtomic(path, `${index}`.repeat(10_000), { mode: 0o555 })),
    );
    expect(await readFile(path, 'utf8')).toMatch(/^(\d)\1{9999}$/);
    expect((await stat(path)).mode & 0o777).toBe(0o555);
    expect(await readdir(directory)).toEqual(['f']);
  });

  it('replace a symlink and not what it names', async () => {
    await writeFile(join(directory, 'victim'), 'safe');
    await symlink('victim', join(directory, 'link'));
    await writeFileAtomic(join(directory, 'link'), 'new');
    expect(await readFile(join(directory, 'victim'), 'utf8')).toBe('safe');
  });

  it('leave no temporary file when they cannot be written', async () => {
    await mkdir(join(directory, 'taken', 'x'), { recursive: true });
    await expect(writeFileAtomic(join(directory, 'taken'), 'x')).rejects.toThrow(/EISDIR|directory/);
    expect(await readdir(directory)).toEqual(['taken']);
  });

  it.each([
    ['no JSON', '{"a":', 'it is not JSON'],
    ['another shape', '{"a":"x"}', 'a: '],
    ['an unknown key', '{"a":1,"b":2}', 'Unrecognized key'],
    ['too much', `"${'x'.repeat(4 * 1024 * 1024)}"`, 'bytes are more than'],
  ])('refuse %s, naming file and reason', async (_, text, reason) => {
    const path = join(directory, 'f.json');
    await writeFile(path, text);
    await expect(readJsonFile(path, z.strictObject({ a: z.number() }))).rejects.toThrow(
      expect.objectContaining({ code: 'INTERNAL', message: expect.stringContaining(reason) as string }),
    );
  });

  it('answer undefined where there is none', async () => {
    expect(await readJsonFile(join(directory, 'absent'), z.string())).toBeUndefined();
  });
});
