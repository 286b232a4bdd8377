// Compiling cloister-init: once per content, static, with a named cause when it cannot be done.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { buildInit, isInitBuilt, isStaticElf } from '../../../daemon/setup/build-init.ts';

const scratch = mkdtempSync(path.join(tmpdir(), 'cloister-init-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let serial = 0;

function project(source: string, flags = '-static'): Parameters<typeof buildInit>[0] {
  const directory = path.join(scratch, String((serial += 1)));
  const sourceDir = path.join(directory, 'source');
  mkdirSync(sourceDir, { recursive: true });
  writeFileSync(path.join(sourceDir, 'main.c'), source);
  writeFileSync(path.join(sourceDir, 'Makefile'), `$(OUT): main.c\n\t$(CC) ${flags} -o $@ main.c\n`);
  return { sourceDir, cacheDir: path.join(directory, 'cache'), arch: 'x64', onProgress: () => undefined };
}

test('it is compiled once per content and leaves nothing beside the binary', async () => {
  const options = project('int main(void) { return 0; }\n');
  expect(await isInitBuilt(options)).toBe(false);
  const first = await buildInit(options);
  expect(first).toMatchObject({ isFresh: true, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(await buildInit(options)).toEqual({ ...first, isFresh: false });
  expect(readdirSync(options.cacheDir)).toEqual([path.basename(first.path)]);
  writeFileSync(path.join(options.sourceDir, 'main.c'), 'int main(void) { return 1; }\n');
  expect((await buildInit(options)).path).not.toBe(first.path);
});

test.each([
  ['an error in the sources is quoted', project('int main(void) { return nothing; }\n'), /does not compile: .*error.*nothing/, /gcc 10/],
  [
    'a binary that needs a loader is refused',
    project('int main(void) { return 0; }\n', '-no-pie'),
    /needs a dynamic loader/,
    /static C library/,
  ],
])('%s', async (_claim, options, message, remedy) => {
  await expect(buildInit(options)).rejects.toMatchObject({
    step: 'init',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(remedy),
  });
  expect(readdirSync(options.cacheDir)).toEqual([]);
});

test('sources without a Makefile are refused', async () => {
  const options = { ...project(''), sourceDir: scratch };
  await expect(buildInit(options)).rejects.toMatchObject({ step: 'init', message: expect.stringContaining('holds no Makefile') });
});

test.each([
  ['an empty file', Buffer.alloc(0)],
  ['a script', Buffer.from(`#!/bin/sh\n${' '.repeat(100)}`)],
  ['a header that points outside the file', Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2]), Buffer.alloc(59, 0xff)])],
])('%s is no static executable', (_claim, content) => {
  expect(isStaticElf(content)).toBe(false);
});
