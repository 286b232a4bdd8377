// Watching through the file worker: what happens is told once, in order, with paths that are true; what is lost is said.
// Needs root (to become another uid) and a C compiler; no engine.

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { WatchEvent } from '../../client/protocol/file-search.ts';
import { buildWorker } from '../support/worker-build.ts';
import { WorkerFiles } from '../support/worker-files.ts';

const UID = 200_001;
const base = fs.mkdtempSync(join(tmpdir(), 'file-watch-'));
const root = join(base, 'workspace');
let program: string;
let worker: WorkerFiles;
const at = (path: string): string => join(root, path);

/** Events until one of `last`, each said in a word. */
class Watching {
  readonly #events: AsyncGenerator<WatchEvent[], void, undefined>;
  readonly #stop = new AbortController();
  #seen: WatchEvent[] = [];

  constructor(path: string, isRecursive = true) {
    this.#events = worker.files.watches.watch(path, { recursive: isRecursive, signal: this.#stop.signal });
  }

  async until(type: string, path?: string): Promise<string[]> {
    for (;;) {
      const found = this.#seen.findIndex((event) => event.type === type && (path === undefined || event.path === path));
      if (found >= 0) return this.#seen.splice(0, found + 1).map(told);
      const next = await this.#events.next();
      if (next.done === true) throw new Error(`it ended before ${type}`);
      this.#seen.push(...next.value);
    }
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#events.next().catch(() => undefined);
  }
}

const told = ({ type, path, from, isDirectory }: WatchEvent): string =>
  `${type} ${from === undefined ? '' : `${from} -> `}${path}${isDirectory ? '/' : ''}`;

beforeAll(() => {
  fs.chmodSync(base, 0o755);
  program = buildWorker(base);
});
beforeEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
  fs.mkdirSync(at('d/e'), { recursive: true });
  fs.writeFileSync(at('d/e/f'), '1');
  fs.chownSync(root, UID, UID);
  worker = new WorkerFiles({ program, root, uid: UID });
});
afterEach(async () => {
  expect(await worker.end(), 'exit code of the worker').toBe(0);
  expect(worker.violations).toEqual([]);
});
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

test('create, change, rename and delete are told below all directories, also of those that come later', async () => {
  const watching = new Watching('.');
  await watching.until('ready');
  fs.writeFileSync(at('d/e/g'), 'x');
  expect(await watching.until('change', 'd/e/g')).toEqual(['create d/e/g', 'change d/e/g']);
  fs.renameSync(at('d/e/g'), at('h'));
  expect(await watching.until('rename')).toEqual(['rename d/e/g -> h']);
  fs.mkdirSync(at('new/deep'), { recursive: true });
  fs.writeFileSync(at('new/deep/file'), 'x');
  expect(await watching.until('create', 'new/deep/file')).toEqual(['create new/', 'create new/deep/', 'create new/deep/file']);
  fs.renameSync(at('new'), at('moved'));
  expect((await watching.until('rename')).at(-1)).toBe('rename new -> moved/');
  fs.writeFileSync(at('moved/deep/after'), '');
  expect(await watching.until('create', 'moved/deep/after')).toEqual(['create moved/deep/after']);
  fs.rmSync(at('moved'), { recursive: true });
  const gone = await watching.until('delete', 'moved');
  for (const path of ['moved/deep/file', 'moved/deep/', 'moved/']) expect(gone).toContain(`delete ${path}`);
  await watching.end();
});

test('a file that is written in one step is created or changed, and its temporary name is never told', async () => {
  const watching = new Watching('.');
  await watching.until('ready');
  await worker.files.write('one', Buffer.from('1'));
  expect((await watching.until('create', 'one')).filter((event) => !event.startsWith('change'))).toEqual(['create one']);
  await worker.files.write('one', Buffer.from('2'));
  expect(await watching.until('change', 'one')).toEqual(['change one']);
  await watching.end();
});

test('a directory that is moved out is deleted and no longer watched', async () => {
  const watching = new Watching('.');
  await watching.until('ready');
  fs.renameSync(at('d'), join(base, 'outside'));
  expect(await watching.until('delete', 'd')).toEqual(['delete d/']);
  fs.writeFileSync(join(base, 'outside/e/secret'), '');
  fs.writeFileSync(at('mark'), '');
  expect(await watching.until('create', 'mark')).toEqual(['create mark']);
  fs.rmSync(join(base, 'outside'), { recursive: true });
  await watching.end();
});

test('one file is watched through replacements, and one level where that is asked', async () => {
  const file = new Watching('d/e/f');
  const flat = new Watching('d', false);
  await file.until('ready');
  await flat.until('ready');
  fs.writeFileSync(at('d/e/other'), '');
  fs.writeFileSync(at('d/e/f'), '2');
  expect(new Set(await file.until('change'))).toEqual(new Set(['change d/e/f']));
  fs.renameSync(at('d/e/other'), at('d/e/f'));
  expect((await file.until('create')).at(-1)).toBe('create d/e/f');
  fs.writeFileSync(at('d/x'), '');
  expect(await flat.until('create', 'd/x')).toEqual(['create d/x']);
  await file.end();
  await flat.end();
});

test('a symlink is watched as what it is and leads nowhere', async () => {
  fs.symlinkSync('/etc', at('out'));
  const watching = new Watching('.');
  await watching.until('ready');
  fs.symlinkSync('../..', at('d/up'));
  expect(await watching.until('create')).toEqual(['create d/up']);
  await watching.end();
  const outside = worker.files.watches.watch('out', { signal: new AbortController().signal });
  await expect(outside.next()).rejects.toMatchObject({ code: 'PATH_ESCAPES_WORKSPACE' });
});

test('the fifth watch is refused, and one that ends makes room', async () => {
  const four = [1, 2, 3, 4].map(() => new Watching('.'));
  for (const watching of four) await watching.until('ready');
  await expect(new Watching('.').until('ready')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
  await four[0]?.end();
  const fifth = new Watching('.');
  await fifth.until('ready');
  for (const watching of [...four.slice(1), fifth]) await watching.end();
});

test('more events than the kernel keeps are an overflow, and more directories than are watched a limit', async () => {
  const watching = new Watching('.');
  await watching.until('ready');
  worker.process.kill('SIGSTOP');
  for (let i = 0; i < 20_000; i += 1) fs.writeFileSync(at(`d/file-${i}`), '');
  worker.process.kill('SIGCONT');
  expect((await watching.until('overflow')).length).toBeGreaterThan(1000);
  await watching.end();
  for (let i = 0; i < 8300; i += 1) fs.mkdirSync(at(`many-${i}`));
  const limited = new Watching('.');
  expect((await limited.until('limit')).at(-1)).toMatch(/^limit many-\d+\/$/);
  await limited.until('ready');
  await limited.end();
});

test('what is watched and goes ends the watch', async () => {
  const watching = new Watching('d');
  await watching.until('ready');
  fs.rmSync(at('d'), { recursive: true });
  await expect(watching.until('never')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
});
