// List, glob and grep of the file worker through the daemon's verbs: what is found, in which order, and what is said of what is not.
// Needs root (to become another uid) and a C compiler; no engine.

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { GrepSearch } from '../../daemon/files/file-search.ts';
import { buildWorker } from '../support/worker-build.ts';
import { collect, WorkerFiles } from '../support/worker-files.ts';

const UID = 200_001;
const base = fs.mkdtempSync(join(tmpdir(), 'file-search-'));
const root = join(base, 'workspace');
let program: string;
let worker: WorkerFiles;

const at = (path: string): string => join(root, path);
const put = (path: string, text: string | Buffer): void => {
  fs.mkdirSync(dirname(at(path)), { recursive: true });
  fs.writeFileSync(at(path), text);
};
const grep = (pattern: string, options: Partial<GrepSearch> = {}) => collect(worker.files.search.grep({ path: '.', ...options, pattern }));
const linesOf = async (pattern: string, options: Partial<GrepSearch> = {}): Promise<string[]> =>
  (await grep(pattern, options)).found.map(({ path, line, text, isMatch }) => `${path}:${line}${isMatch ? ':' : '-'}${text}`);
const globOf = async (pattern: string | string[], options: object = {}): Promise<string[]> =>
  (await collect(worker.files.search.glob({ path: '.', pattern, ...options }))).found.map(({ path }) => path);

beforeAll(() => {
  fs.chmodSync(base, 0o755);
  program = buildWorker(base);
});
beforeEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
  fs.mkdirSync(root);
  worker = new WorkerFiles({ program, root, uid: UID });
});
afterEach(async () => {
  expect(await worker.end(), 'exit code of the worker').toBe(0);
  expect(worker.violations).toEqual([]);
});
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

describe('glob', () => {
  beforeEach(() => {
    for (const path of [
      'a.ts',
      'b.js',
      'src/c.ts',
      'src/deep/er/d.tsx',
      'src/.hidden.ts',
      'build/out.ts',
      'x[1].ts',
      'node_modules/p/i.ts',
    ])
      put(path, '');
  });

  test.each<[claim: string, pattern: string | string[], found: string[]]>([
    ['a star stops at a slash', '*.ts', ['a.ts', 'x[1].ts']],
    [
      'two stars go through directories',
      '**/*.ts',
      ['a.ts', 'build/out.ts', 'node_modules/p/i.ts', 'src/.hidden.ts', 'src/c.ts', 'x[1].ts'],
    ],
    ['two stars in the middle stand for none too', 'src/**/*.ts', ['src/.hidden.ts', 'src/c.ts']],
    ['two stars at the end are all that is below', 'src/**', ['src/.hidden.ts', 'src/c.ts', 'src/deep/er/d.tsx']],
    ['braces are alternatives', 'src/**/*.{ts,tsx}', ['src/.hidden.ts', 'src/c.ts', 'src/deep/er/d.tsx']],
    ['a question mark is one character', '?.ts', ['a.ts']],
    ['brackets are a set', '[ab].[jt]s', ['a.ts', 'b.js']],
    ['a set may be negated', '[!a].*', ['b.js']],
    ['a backslash takes the meaning away', 'x\\[1\\].ts', ['x[1].ts']],
    ['an excluded directory is not walked', ['**/*.ts', '!node_modules', '!build/**'], ['a.ts', 'src/.hidden.ts', 'src/c.ts', 'x[1].ts']],
    ['paths under /workspace are meant too', '/workspace/src/*.ts', ['src/.hidden.ts', 'src/c.ts']],
    ['stars inside a name are two stars and no more', 'src/**c.ts', ['src/c.ts']],
    ['nothing is found where nothing matches', 'nothing/**', []],
  ])('%s', async (_, pattern, found) => {
    expect((await globOf(pattern)).sort()).toEqual([...found].sort());
  });

  test('directories are found when asked for, and paths below a directory are from the workspace', async () => {
    expect(await globOf('*', { path: 'src', directories: true })).toEqual(['src/.hidden.ts', 'src/c.ts', 'src/deep']);
  });

  test('.gitignore files on the way and above are obeyed: last match wins, a negation brings back, a slash anchors', async () => {
    put('.gitignore', 'node_modules/\n/build\n# nothing\n*.js\n!keep.js\n\\#odd\ndoc/*.txt\n');
    put('src/.gitignore', '.hidden.ts\n!c.ts\n');
    for (const path of ['keep.js', 'src/build/kept.ts', '#odd', 'doc/a.txt', 'src/doc/a.txt', '.git/config']) put(path, '');
    const all = await globOf('**', { gitignore: true });
    expect(all).toEqual([
      '.gitignore',
      'a.ts',
      'keep.js',
      'src/.gitignore',
      'src/build/kept.ts',
      'src/c.ts',
      'src/deep/er/d.tsx',
      'src/doc/a.txt',
      'x[1].ts',
    ]);
    expect(await globOf('**/*.js', { gitignore: true, path: 'src' })).toEqual([]);
    expect(await globOf('**', { gitignore: true, path: 'src/deep' })).toEqual(['src/deep/er/d.tsx']);
  });

  test('a limit is told, and the next page goes on after the last path', async () => {
    const pages: string[] = [];
    for (let after: string | undefined; ; ) {
      const { found, summary } = await collect(worker.files.search.glob({ path: '.', pattern: '**', limit: 3, after }));
      pages.push(...found.map(({ path }) => path));
      after = found.at(-1)?.path;
      if (!summary.truncated) break;
      expect(summary.omitted).toEqual(['limit']);
    }
    expect(pages).toEqual(await globOf('**'));
  });

  test.each(['../*', '/etc/*', 'a/../../b'])('%s leads out', async (pattern) => {
    await expect(globOf(pattern)).rejects.toMatchObject({ code: 'PATH_ESCAPES_WORKSPACE' });
  });

  test('a pattern of 64 stars over names of 250 letters is over at once', async () => {
    for (let i = 0; i < 50; i += 1) put(`${'a'.repeat(245)}${i}`, '');
    expect(await globOf(`${'a*'.repeat(64)}b`)).toEqual([]);
    await expect(globOf('{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}')).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});

describe('grep', () => {
  test.each<[claim: string, pattern: string, options: Partial<GrepSearch>, text: string, lines: number[]]>([
    ['text', 'b.c', { literal: true }, 'abc\nab.c\n', [2]],
    ['a dot', 'b.c', {}, 'abxc\nbc\nb\u00e9c\n', [1, 3]],
    ['anchors', '^a$', {}, 'a\nba\nab\na', [1, 4]],
    ['a line end of two bytes', 'a$', {}, 'a\r\nb\r\n', [1]],
    ['word boundaries', '\\bfoo\\b', {}, 'foo\nfoobar\na foo.\n_foo\n', [1, 3]],
    ['no word boundary', 'o\\B', {}, 'foo bar\nfo\n', [1]],
    ['either case', 'HeLLo', { ignoreCase: true }, 'hello\nHELLO\nhell\n', [1, 2]],
    ['either case of letters that are not ASCII', '\u00c4rger', { ignoreCase: true }, '\u00e4RGER\n\u00c4rger\nArger\n', [1, 2]],
    ['alternatives', 'cat|dog', {}, 'cat\nbird\nhotdog\n', [1, 3]],
    ['repetition', 'a{2,3}b', {}, 'ab\naab\naaaab\n', [2, 3]],
    ['a class and its opposite', '[^a-y\\s]\\d', {}, 'a1\nz1\n 1\n', [2]],
    ['an empty line', '^$', {}, 'a\n\nb\n', [2]],
    ['every line', 'x*', {}, 'a\n\nb', [1, 2, 3]],
    ['a flag inside', '(?i)abc', {}, 'ABC\n', [1]],
    ['what is not UTF-8 around it', 'needle', {}, '\u00ff needle', [1]],
    ['nothing', 'zzz', {}, 'a\n', []],
  ])('finds %s', async (_, pattern, options, text, lines) => {
    put('f', text);
    expect((await grep(pattern, options)).found.map(({ line }) => line)).toEqual(lines);
  });

  test('lines around a match are told once each', async () => {
    put('f', Array.from({ length: 12 }, (_, i) => (i === 3 || i === 5 || i === 11 ? `hit ${i}` : `line ${i}`)).join('\n'));
    expect(await linesOf('hit', { before: 1, after: 2 })).toEqual([
      'f:3-line 2',
      'f:4:hit 3',
      'f:5-line 4',
      'f:6:hit 5',
      'f:7-line 6',
      'f:8-line 7',
      'f:11-line 10',
      'f:12:hit 11',
    ]);
  });

  test('one file may be searched, files may be chosen, and ignored ones passed over', async () => {
    put('a.ts', 'x');
    put('src/b.ts', 'x');
    put('src/c.js', 'x');
    put('.gitignore', 'a.ts');
    expect(await linesOf('x', { path: 'src/b.ts' })).toEqual(['src/b.ts:1:x']);
    expect(await linesOf('x', { glob: '*.ts' })).toEqual(['a.ts:1:x', 'src/b.ts:1:x']);
    expect(await linesOf('x', { glob: ['*', '!*.ts'], path: 'src' })).toEqual(['src/c.js:1:x']);
    expect(await linesOf('x', { gitignore: true, glob: '*.ts' })).toEqual(['src/b.ts:1:x']);
  });

  test('binary files, limits, limits of one file and long lines are counted and told', async () => {
    put('binary', Buffer.from('x\0x'));
    put('many', 'x\n'.repeat(100));
    put('long', `${'y'.repeat(5000)}x\n`);
    const all = await grep('x');
    expect(all.summary).toMatchObject({ matches: 101, files: 3, binaryFiles: 1, truncated: true, omitted: ['longLines'], longLines: 1 });
    expect(all.found[0]).toMatchObject({ path: 'long', lineBytes: 5001, text: 'y'.repeat(2048) });
    expect((await grep('x', { limit: 7 })).summary).toMatchObject({ matches: 7, omitted: ['limit', 'longLines'] });
    const perFile = await grep('x', { perFile: 2, glob: 'many' });
    expect(perFile.found.length).toBe(2);
    expect(perFile.summary.omitted).toEqual(['perFile']);
  });

  test('files larger than the buffer are searched to their end, with the right line numbers and context', async () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => (i % 7919 === 0 ? `needle ${i}` : `line ${i} of the file`));
    put('big', lines.join('\n'));
    const expected = lines.flatMap((line, i) => (line.startsWith('needle') ? [i + 1] : []));
    for (const pattern of ['needle', 'n[e]edle \\d', '^needle.*$', 'ne{2}dle|zzz']) {
      const { found } = await grep(pattern, { before: 2, after: 1 });
      expect(found.filter(({ isMatch }) => isMatch).map(({ line }) => line)).toEqual(expected);
      for (const { line, text } of found) expect(text).toBe(lines[line - 1]);
      expect(found.length).toBe(4 * expected.length - 2);
    }
  });

  test('a line of a megabyte is searched in parts and counted once as a line', async () => {
    put('f', `${'a'.repeat(1_000_000)}needle\nneedle`);
    const { found, summary } = await grep('needle');
    expect(found.map(({ line }) => line)).toEqual([1, 2]);
    expect(summary.omitted).toEqual(['longLines']);
  });

  test.each([
    ['nested repetition', '(a*)*b', 'a'.repeat(200_000)],
    ['alternatives that overlap', '(a|aa)+$', `${'a'.repeat(200_000)}!`],
    ['a counted gap', 'a.{150}b', 'a'.repeat(200_000)],
    ['many optional parts', `${'a?'.repeat(100)}${'a'.repeat(100)}b`, 'a'.repeat(200_000)],
    ['states without end', '(a|b)*a(a|b){14}c', 'ab'.repeat(100_000).replace(/abab/g, 'aabb')],
  ])('a hostile pattern ends, and others do not wait for it: %s', async (_, pattern, text) => {
    put('f', text);
    let isDone = false;
    const search = grep(pattern).finally(() => (isDone = true));
    for (let i = 0; i < 3 && !isDone; i += 1) expect((await worker.files.stat('f')).size).toBe(text.length);
    expect((await search).found).toEqual([]);
  });

  test('a search whose time is up says what it has', async () => {
    for (let i = 0; i < 300; i += 1) put(`d${i}/f`, 'x\n'.repeat(1000));
    const timeUp = AbortSignal.abort();
    const { summary } = await collect(worker.files.search.grep({ path: '.', pattern: 'x', limit: 1_000_000, timeUp }));
    expect(summary).toMatchObject({ truncated: true, omitted: ['time'] });
  });

  test.each(['(?=a)', '(a)\\1', '(', '[a', 'a{9999}', 'a**', 'x\\ny', '\\p{L}'])('%s is refused with a reason', async (pattern) => {
    await expect(grep(pattern)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});

test('a listing of 30,000 entries comes whole, and in pages', async () => {
  for (let i = 0; i < 30_000; i += 1) fs.writeFileSync(at(`file-with-a-name-of-some-length-${i}`), '');
  const all = await worker.files.list('.', { limit: 1_000_000 });
  expect({ entries: all.entries.length, total: all.total, truncated: all.truncated }).toEqual({
    entries: 30_000,
    total: 30_000,
    truncated: false,
  });
  const page = await worker.files.list('.', { limit: 10, after: all.entries[19_999]?.path });
  expect(page.entries.map(({ path }) => path)).toEqual(all.entries.slice(20_000, 20_010).map(({ path }) => path));
});

test('names that are no text are told so that they can be used', async () => {
  fs.chownSync(root, UID, UID);
  for (const name of ['a\nb', 'caf\u00e9', '\u0001']) put(name, 'x');
  for (const bytes of [Buffer.from([0x66, 0xff, 0xfe]), Buffer.from([0xc3, 0x28]), Buffer.from([0xed, 0xb2, 0x80])])
    fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/`), bytes]), 'x');
  const listed = JSON.parse(JSON.stringify((await worker.files.list('.')).entries.map(({ path }) => path))) as string[];
  expect(listed.length).toBe(6);
  expect(listed).toContain('f\udcff\udcfe');
  for (const path of listed) expect(Buffer.from(await worker.files.readAll(path)).toString()).toBe('x');
  expect(new Set((await grep('x')).found.map(({ path }) => path))).toEqual(new Set(listed));
  await worker.files.move('f\udcff\udcfe', 'plain');
  await expect(worker.files.stat('\ud800')).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
});

test('a recursive chmod and a removal say how many; an append can be gone on with', async () => {
  for (const path of ['t/a', 't/b/c']) put(path, 'x');
  fs.symlinkSync('/etc/passwd', at('t/link'));
  for (const path of ['', 't', 't/a', 't/b', 't/b/c']) fs.chownSync(at(path), UID, UID);
  expect(await worker.files.chmodCounted('t', 0o640, true)).toEqual({ changed: 4, failed: 0 });
  expect(fs.statSync(at('t/b')).mode & 0o777).toBe(0o750);
  expect(fs.statSync(at('t/b/c')).mode & 0o777).toBe(0o640);
  expect(await worker.files.removeCounted('t', { recursive: true })).toBe(5);
  await worker.files.write('f', Buffer.from('12345'));
  const broken = (async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('678');
    await worker.files.stat('f');
    throw new Error('cut');
  })();
  await expect(worker.files.write('f', broken, { append: true, at: 5, keepsPartial: true })).rejects.toThrow('cut');
  await expect(worker.files.write('f', Buffer.from('9'), { append: true, at: 5 })).rejects.toMatchObject({ code: 'NO_MATCH' });
  const stat = await worker.files.write('f', Buffer.from('9'), { append: true, at: 8 });
  expect(Buffer.from(await worker.files.readAll('f', { offset: 4, ifUnchanged: stat })).toString()).toBe('56789');
  fs.writeFileSync(at('f'), 'changed!');
  await expect(worker.files.readAll('f', { offset: 4, ifUnchanged: stat })).rejects.toMatchObject({ code: 'NO_MATCH' });
});
