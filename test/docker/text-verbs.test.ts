// The text verbs on a real sandbox: against its own processes, and against those who may only read.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cloister, type Sandbox } from '../../client/index.ts';
import { errorOf } from '../contract/client-subject.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

let daemon: TestDaemon;
let cloister: Cloister;
let sandbox: Sandbox;

beforeAll(async () => {
  daemon = await startTestDaemon();
  cloister = await daemon.connect('acme');
  sandbox = await cloister.open({ session: 'text' });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

describe('text verbs', () => {
  test('of two clients on one file lose no edit of either', async () => {
    const other = await daemon.connect('acme');
    const mate = await other.open({ session: 'text', role: 'participant' });
    await sandbox.files.write('shared.txt', Array.from({ length: 60 }, (_, index) => `<${index}>\n`).join(''));
    const edit = (box: Sandbox, index: number) => box.files.edit('shared.txt', { oldText: `<${index}>`, newText: `${index}!` });
    await Promise.all(Array.from({ length: 60 }, (_, index) => edit(index % 2 === 0 ? sandbox : mate, index)));
    expect(await sandbox.files.readText('shared.txt')).toBe(Array.from({ length: 60 }, (_, index) => `${index}!\n`).join(''));
  });

  test('follow no symlink out, however it is written', async () => {
    await sandbox.exec('ln -s /etc/passwd out; ln -s ../../etc up; ln -s out chain; mkfifo pipe; ln -s loop loop');
    const outcomes: string[] = [];
    for (const path of ['out', 'up/passwd', 'chain', 'loop', 'pipe', '/proc/self/environ']) {
      outcomes.push(String(await errorOf(sandbox.files.edit(path, { oldText: 'root', newText: 'x' }))));
      outcomes.push(String(await errorOf(sandbox.files.view(path))));
      outcomes.push(String(await errorOf(sandbox.files.patch('@@\n-root\n+x\n', { path }))));
    }
    expect([...new Set(outcomes)].toSorted()).toEqual(['NOT_REGULAR_FILE', 'PATH_ESCAPES_WORKSPACE']);
  });

  test('of a symlink through another one edit no file but the one that is read', async () => {
    await sandbox.exec('mkdir -p real/deep; echo a > real/f; echo a > f; ln -s real/deep short; ln -s ../f real/deep/link');
    // As text `short/../f` is `f`; the kernel reads `real/f`.
    expect(await errorOf(sandbox.files.edit('short/link', { oldText: 'a', newText: 'b' }))).toBe('INVALID_REQUEST');
    expect(await sandbox.files.readText('f')).toBe('a\n');
    expect(await sandbox.files.readText('real/f')).toBe('a\n');
  });

  test('meet a process that swaps file and symlink without ever leaving', async () => {
    await sandbox.exec('echo canary > safe; cp safe swapped');
    const swapping = sandbox.exec('while :; do ln -sf /etc/hostname swapped; cp --remove-destination safe swapped; done', {
      background: true,
    });
    const seen = new Set<unknown>();
    for (let turn = 0; turn < 150; turn += 1) {
      const result = await sandbox.files.view('swapped').then(
        (view) => (view.kind === 'file' ? view.text.replace(/^\s*1\t/, '') : view.kind),
        (error: { code: unknown }) => error.code,
      );
      seen.add(result);
      await sandbox.files.edit('swapped', { oldText: 'canary\n', newText: 'canary!\n' }).catch(() => undefined);
    }
    await swapping.kill('SIGKILL');
    for (const result of seen)
      expect(['canary', 'canary!', '', 'FILE_NOT_FOUND', 'PATH_ESCAPES_WORKSPACE', 'INVALID_REQUEST']).toContain(result);
  });

  test('are on record with every file that a patch touched', async () => {
    await sandbox.files.write('recorded', 'a\n');
    await sandbox.files.patch('*** Update File: recorded\n*** Move to: renamed\n@@\n-a\n+b\n*** Add File: added\n+x\n');
    const records = (await readFile(join(daemon.stateDir, 'audit.jsonl'), 'utf8'))
      .split('\n')
      .filter((line) => line.includes('"files.patch"'));
    expect(JSON.parse(records.at(-1) ?? '{}')).toMatchObject({
      outcome: 'done',
      files: [
        { path: 'renamed', from: 'recorded', action: 'renamed' },
        { path: 'added', action: 'created' },
      ],
    });
  });

  test('of a patch need the permission for every file it touches', async () => {
    const rules = [
      { tool: 'files.*', args: { path: '/workspace/kept*' }, action: 'deny' as const, reason: 'kept' },
      { tool: 'files.*', action: 'allow' as const },
    ];
    await using narrow = await cloister.open({ session: 'narrow', permissions: { rules } });
    await narrow.files.write('free', 'a\n');
    await narrow.files.patch('*** Update File: free\n@@\n-a\n+b\n');
    for (const patch of [
      '*** Update File: free\n@@\n-b\n+c\n*** Add File: kept\n+x\n',
      '*** Update File: free\n*** Move to: kept\n',
      '--- kept\n+++ free\n@@ -1 +1 @@\n-b\n+c\n',
    ])
      expect(await errorOf(narrow.files.patch(patch))).toBe('PERMISSION_DENIED');
    expect(await narrow.files.readText('free')).toBe('b\n');
    await narrow.files.symlink('kept', 'way');
    await narrow.exec('echo b > kept');
    expect(await errorOf(narrow.files.edit('way', { oldText: 'b', newText: 'c' }))).toBe('PERMISSION_DENIED');
    expect(await errorOf(narrow.files.patch('@@\n-b\n+c\n', { path: 'way' }))).toBe('PERMISSION_DENIED');
  });

  test('that write are refused where the workspace is read-only, and to tokens that only read', async () => {
    await using reader = await cloister.open({ session: 'reader', profile: 'readonly' });
    const calls = (box: Sandbox) => [
      box.files.edit('a', { oldText: 'a', newText: 'b' }),
      box.files.insert('a', { line: 0, text: 'b' }),
      box.files.patch('*** Add File: a\n+b\n'),
      box.files.undoEdit('a'),
    ];
    expect(await Promise.all(calls(reader).map(errorOf))).toEqual(Array.from({ length: 4 }, () => 'PERMISSION_DENIED'));
    expect(await reader.files.view('.')).toMatchObject({ kind: 'directory', entries: [] });
    await sandbox.files.write('a', 'a\n');
    const client = await Cloister.connect({ url: daemon.url, token: await daemon.token('acme', { isReadOnly: true }) });
    const looking = await client.open({ session: 'text', role: 'participant' });
    expect(await Promise.all(calls(looking).map(errorOf))).toEqual(Array.from({ length: 4 }, () => 'FORBIDDEN'));
    expect(await looking.files.view('a')).toMatchObject({ text: '     1\ta' });
    await client.close();
  });
});
