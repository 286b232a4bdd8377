// One daemon per state directory.

import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isStateDirLocked, lockStateDir } from '../../../daemon/observe/state-lock.ts';
import { refusal } from '../../support/fake-sandbox.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lock-'));
});
afterAll(() => rm(directory, { recursive: true }));

test("a directory is one daemon's, under whatever name it is reached, until that daemon lets go", async () => {
  const other = join(directory, 'other-name');
  await symlink(directory, other);
  expect(await isStateDirLocked(directory)).toBe(false);
  const lock = await lockStateDir(directory);
  expect(await isStateDirLocked(other)).toBe(true);
  expect(await refusal(lockStateDir(other))).toBe('INVALID_REQUEST: another daemon uses it');
  await lock.release();
  expect(await isStateDirLocked(directory)).toBe(false);
  await (await lockStateDir(directory)).release();
});
