// Archives are what a client says they are, and clients lie: none of them gets anything where it must not be.

import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { encodeFrame, FLAG_EOF, FRAME_KIND } from '../../client/protocol/index.ts';
import { codeOf } from '../support/eventually.ts';
import { archiveOf, hostileArchives } from '../support/hostile-archives.ts';
import { RawClient } from '../support/raw-client.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const archives = await hostileArchives();

let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;
let raw: RawClient;
let lastStream = 0;

async function send(bytes: Uint8Array, path = 'in'): Promise<string> {
  lastStream += 1;
  const answer = raw.codeOf('files.upload', { sandbox: sandbox.id, path, stream: lastStream });
  raw.send(encodeFrame(FRAME_KIND.data, FLAG_EOF, lastStream, 0, bytes));
  return await answer;
}

beforeAll(async () => {
  daemon = await startTestDaemon();
  client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'archives' });
  await sandbox.exec('echo mine > secret; mkdir other');
  raw = await RawClient.greet(daemon.url, { token: await daemon.token('acme') });
  await raw.request('open', { session: 'archives', role: 'participant' });
});
afterAll(async () => {
  raw.end();
  await daemon[Symbol.asyncDispose]();
});

describe('an archive is refused', () => {
  test.each(Object.keys(archives))('with %s', async (name) => {
    const { bytes, code } = archives[name]!;
    expect(await send(bytes)).toBe(code);
    const { stdout } = await sandbox.exec(
      'find / -xdev -name "evil*" 2>/dev/null; find /tmp /workspace -name "evil*" -not -path "/workspace/in/*"; ls other; cat secret',
    );
    expect(stdout).toBe('mine\n');
    await sandbox.exec('rm -rf in');
  });
});

test('a set-user-id file arrives without the bits', async () => {
  expect(await send(await archiveOf({ name: 'su', mode: 0o6755, content: '#!/bin/sh\n' }))).toBe('no error');
  expect((await sandbox.exec('stat -c "%a %u" in/su')).stdout).toBe(`755 ${sandbox.receipt.uid}\n`);
});

test('an archive does not write through a symlink that was there, beyond the workspace', async () => {
  await sandbox.exec('mkdir -p /tmp/away; ln -s /tmp/away link');
  expect(await send(await archiveOf({ name: 'evil', content: 'evil' }), 'link')).toBe('FILE_EXISTS');
  expect(await send(await archiveOf({ name: 'link/evil', content: 'evil' }), '.')).toBe('PATH_ESCAPES_WORKSPACE');
  expect((await sandbox.exec('ls /tmp/away')).stdout).toBe('');
});

test('an archive that a tenant flips a symlink under stays in the workspace', async () => {
  await sandbox.exec('mkdir -p /tmp/flipped flip');
  const flipper = sandbox.exec('while :; do mv flip real; ln -s /tmp/flipped flip; rm flip; mv real flip; done 2>/dev/null', {
    background: true,
  });
  const entries = Array.from({ length: 40 }, (_, number) => ({ name: `f${number}`, content: 'evil' }));
  const bytes = await archiveOf(...entries);
  const codes = new Set<string>();
  for (let round = 0; round < 25; round += 1) codes.add(await send(bytes, 'flip'));
  await flipper.kill();
  expect((await sandbox.exec('ls /tmp/flipped')).stdout).toBe('');
  for (const code of codes)
    expect(['no error', 'PATH_ESCAPES_WORKSPACE', 'FILE_NOT_FOUND', 'NOT_DIRECTORY', 'FILE_EXISTS', 'IS_DIRECTORY']).toContain(code);
});

test('a tree larger than the workspace ends there', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cl-large-'));
  await using small = await client.open({ session: 'small', limits: { diskBytes: 4 * 1024 * 1024 } });
  for (let number = 0; number < 60; number += 1) await writeFile(join(directory, `f${number}`), Buffer.alloc(100_000, number));
  expect(await codeOf(small.files.upload(directory, '.'))).toBe('TOO_LARGE');
  expect((await small.exec('rm -f *; echo fine')).stdout).toBe('fine\n');
  await rm(directory, { recursive: true });
});

test('an archive is no way round the rules on single files', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cl-rules-'));
  await mkdir(join(directory, 'locked'));
  await writeFile(join(directory, 'locked', 'evil'), 'evil');
  await writeFile(join(directory, 'open'), 'fine');
  const rule = (tool: string) => ({ tool, args: { path: '/workspace/locked/*' }, action: 'deny' as const, reason: 'locked' });
  const rules = [rule('files.write'), rule('files.read'), { tool: '*', action: 'allow' as const }];
  await using ruled = await client.open({ session: 'ruled', permissions: { rules } });
  expect(await codeOf(ruled.files.upload(directory, '.'))).toBe('PERMISSION_DENIED');
  await ruled.exec('mkdir -p locked; echo secret > locked/mine');
  expect((await ruled.exec('ls locked')).stdout).toBe('mine\n');
  expect(await codeOf(ruled.files.download('.', join(directory, 'out')))).toBe('PERMISSION_DENIED');
  expect((await readdir(join(directory, 'out'), { recursive: true })).filter((name) => name.includes('mine'))).toEqual([]);
  await rm(directory, { recursive: true });
});
