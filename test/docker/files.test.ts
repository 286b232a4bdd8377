// File verbs from the client to a real sandbox and back: what is found, watched and transferred in parts.

import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;

beforeAll(async () => {
  daemon = await startTestDaemon();
  client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'files', workspace: { retain: 'delete' } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

test('a listing of 12,000 entries comes whole, although no message could hold it', async () => {
  await sandbox.exec(`mkdir flat && cd flat && seq -f 'a-rather-long-name-of-a-file-%06g' 12000 | xargs touch`);
  const { entries, total, truncated } = await sandbox.files.list('flat', { limit: 20_000 });
  expect({ entries: entries.length, total, truncated }).toEqual({ entries: 12_000, total: 12_000, truncated: false });
  const page = await sandbox.files.list('flat', { limit: 5, after: entries[9_999]?.path ?? '' });
  expect(page).toMatchObject({ truncated: true, omitted: ['limit'] });
  expect(page.entries).toEqual(entries.slice(10_000, 10_005));
  expect(await sandbox.files.remove('flat', { recursive: true })).toEqual({ removed: 12_001 });
});

test('what commands wrote is found by name and by content, and names that are no text can be used', async () => {
  await sandbox.exec(`mkdir -p src/deep node_modules && echo 'const answer = 42' > src/deep/a.ts && echo 'answer' > node_modules/b.ts
    echo node_modules > .gitignore && printf 'answer\\n' > $'bad\\xff\\nname.ts'`);
  const { paths } = await sandbox.files.glob('**/*.ts', { gitignore: true });
  expect(paths).toEqual(['bad\udcff\nname.ts', 'src/deep/a.ts']);
  const { lines, matches, files } = await sandbox.files.grep('\\banswer\\b.*\\d', { glob: '*.ts', gitignore: true });
  expect({ lines, matches, files }).toEqual({
    lines: [{ path: 'src/deep/a.ts', line: 1, text: 'const answer = 42', isMatch: true }],
    matches: 1,
    files: 2,
  });
  expect(await sandbox.files.readText(paths[0] ?? '')).toBe('answer\n');
  await expect(sandbox.files.grep('(?=a)')).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
});

test('a watch tells what a command does, and ends with its loop', async () => {
  const seen: string[] = [];
  for await (const event of sandbox.files.watch('.')) {
    if (event.type === 'ready') void sandbox.exec('mkdir made');
    // What comes and goes in a new directory before it is watched, nobody sees.
    if (event.type === 'create' && event.path === 'made')
      void sandbox.exec('echo 1 > made/one && mv made/one made/two && rm made/two && touch last');
    seen.push(`${event.type} ${event.from === undefined ? '' : `${event.from} > `}${event.path}`);
    if (event.path === 'last') break;
  }
  expect(seen.filter((text) => !text.startsWith('change'))).toEqual(
    expect.arrayContaining(['ready ', 'create made', 'create made/one', 'rename made/one > made/two', 'delete made/two', 'create last']),
  );
  const stop = new AbortController();
  const watching = sandbox.files.watch('src', { signal: stop.signal });
  await watching.next();
  const next = watching.next();
  stop.abort();
  await expect(next).rejects.toMatchObject({ code: 'ABORTED' });
  // Its place is free again: four at once are what a sandbox has.
  for (let round = 0; round < 6; round += 1) for await (const event of sandbox.files.watch('src')) if (event.type === 'ready') break;
  await setTimeout(0);
});

test('a transfer goes on where it was cut, and not with another file', async () => {
  const bytes = Buffer.alloc(3_000_000, 'abc');
  const first = await sandbox.files.write('big', bytes.subarray(0, 1_000_000));
  await sandbox.files.write('big', bytes.subarray(1_000_000), { append: true, at: first.size, keepPartial: true });
  await expect(sandbox.files.write('big', 'x', { append: true, at: first.size })).rejects.toMatchObject({ code: 'NO_MATCH' });
  const { inode, size, modifiedAt } = await sandbox.files.stat('big');
  const rest = await sandbox.files.read('big', { offset: 2_000_000, ifUnchanged: { inode, size, modifiedAt } });
  expect(Buffer.from(rest).equals(bytes.subarray(2_000_000))).toBe(true);
  await sandbox.files.write('big', 'other');
  await expect(sandbox.files.read('big', { offset: 1, ifUnchanged: { inode, size, modifiedAt } })).rejects.toMatchObject({
    code: 'NO_MATCH',
  });
  expect(await sandbox.files.chmod('src', 0o640, { recursive: true })).toEqual({ changed: 3, failed: 0 });
});

test('a file that changed within the same millisecond, in place and at the same size, is another', async () => {
  await sandbox.exec('printf one > quick && touch -d @1700000000.123000001 quick');
  const { inode, size, modifiedAt } = await sandbox.files.stat('quick');
  expect(modifiedAt).toBe('2023-11-14T22:13:20.123000001Z');
  const ifUnchanged = { inode, size, modifiedAt };
  expect(Buffer.from(await sandbox.files.read('quick', { ifUnchanged })).toString()).toBe('one');
  await sandbox.exec('printf two > quick && touch -d @1700000000.123000002 quick');
  expect(await sandbox.files.stat('quick')).toMatchObject({ inode, size });
  await expect(sandbox.files.read('quick', { ifUnchanged })).rejects.toMatchObject({ code: 'NO_MATCH' });
});

test('a read-only token may search and watch, and an observer may not', async () => {
  const reader = await daemon.connect('acme', { token: await daemon.token('acme', { isReadOnly: true }) });
  const joined = await reader.open({ session: 'files', role: 'participant' });
  expect((await joined.files.glob('src/**/*.ts')).paths).toEqual(['src/deep/a.ts']);
  for await (const event of joined.files.watch('src')) if (event.type === 'ready') break;
  await expect(joined.files.chmod('src', 0o755, { recursive: true })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  const observer = await daemon.connect('acme', { token: await daemon.token('acme', { role: 'observer' }) });
  const watched = await observer.open({ session: 'files', role: 'observer' });
  await expect(watched.files.grep('answer')).rejects.toMatchObject({ code: 'FORBIDDEN' });
});
