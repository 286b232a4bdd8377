// Every file verb through the client on a real sandbox: each of its errors by its code, and each of its limits as it is told.
// What the verbs do when all is well is in the client's contract; text verbs and searches have tables of their own.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox, SandboxError } from '../../client/index.ts';
import { codeOf } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

type Files = Sandbox['files'];
type Row = readonly [claim: string, code: string, call: (files: Files) => PromiseLike<unknown>];

const MIB = 1024 * 1024;
const LONG_NAME = 'x'.repeat(256);
const DEEP_LEVELS = 70;
const NO_HASH = '0'.repeat(64);

let daemon: TestDaemon;
let sandbox: Sandbox;
let local: string;

beforeAll(async () => {
  daemon = await startTestDaemon();
  const client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'verbs', workspace: { retain: 'delete' }, limits: { diskBytes: 64 * MIB } });
  const made = await sandbox.exec(`echo hello > f; mkdir -p d/sub empty locked; echo x > d/g; echo s > secret; echo s > locked/in
    mkfifo pipe; ln -s nothing dangling; ln -s loop loop; ln -s ../../etc out; ln -s f inner; chmod 000 secret locked
    mkdir -p "deep/$(seq -s / ${DEEP_LEVELS})"`);
  expect(made).toMatchObject({ outcome: 'exited', exitCode: 0, stderr: '' });
  local = await mkdtemp(join(tmpdir(), 'file-verbs-'));
  await writeFile(join(local, 'one'), 'one');
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(local, { recursive: true, force: true });
});

const drained = async (found: AsyncIterable<unknown>): Promise<void> => {
  for await (const one of found) if (one === undefined) break;
};

/** What goes wrong with a path, for the verbs that need something there. */
const pathErrors = (verb: string, call: (files: Files, path: string) => PromiseLike<unknown>): Row[] => [
  [`${verb} of what is not there`, 'FILE_NOT_FOUND', (files) => call(files, 'nothing')],
  [`${verb} below what is no directory`, 'NOT_DIRECTORY', (files) => call(files, 'f/x')],
  [`${verb} by a way out with ..`, 'PATH_ESCAPES_WORKSPACE', (files) => call(files, 'd/../../x')],
  [`${verb} of an absolute path elsewhere`, 'PATH_ESCAPES_WORKSPACE', (files) => call(files, '/etc/passwd')],
  [`${verb} through a symlink that leads out`, 'PATH_ESCAPES_WORKSPACE', (files) => call(files, 'out/passwd')],
  [`${verb} through a symlink without end`, 'PATH_ESCAPES_WORKSPACE', (files) => call(files, 'loop/x')],
  [`${verb} in a directory without rights`, 'PERMISSION_DENIED', (files) => call(files, 'locked/in')],
  [`${verb} of a path with NUL`, 'INVALID_REQUEST', (files) => call(files, 'f\0')],
  [`${verb} of no path`, 'INVALID_REQUEST', (files) => call(files, '')],
  [`${verb} of a name of 256 bytes`, 'INVALID_REQUEST', (files) => call(files, LONG_NAME)],
  [`${verb} of a path of 4097 bytes`, 'INVALID_REQUEST', (files) => call(files, 'y/'.repeat(2048) + 'z')],
];

const ERRORS: readonly Row[] = [
  ...pathErrors('read', (files, path) => files.read(path)),
  ['read of a directory', 'IS_DIRECTORY', (files) => files.read('d')],
  ['read of a FIFO', 'NOT_REGULAR_FILE', (files) => files.read('pipe')],
  ['read of a symlink to nothing', 'FILE_NOT_FOUND', (files) => files.read('dangling')],
  ['read without the right to', 'PERMISSION_DENIED', (files) => files.read('secret')],
  ['read from a negative offset', 'INVALID_REQUEST', (files) => files.read('f', { offset: -1 })],
  [
    'read of a file that is another by now',
    'NO_MATCH',
    (files) => files.read('f', { ifUnchanged: { inode: '1', size: 6, modifiedAt: new Date(0).toISOString() } }),
  ],
  ['write over a directory', 'IS_DIRECTORY', (files) => files.write('d', '')],
  ['write over the workspace', 'IS_DIRECTORY', (files) => files.write('.', '')],
  ['write over a FIFO', 'NOT_REGULAR_FILE', (files) => files.write('pipe', '')],
  ['write below what is no directory', 'NOT_DIRECTORY', (files) => files.write('f/x', '')],
  ['write through a symlink that leads out', 'PATH_ESCAPES_WORKSPACE', (files) => files.write('out/x', '')],
  ['write to a directory without rights', 'PERMISSION_DENIED', (files) => files.write('locked/x', '')],
  ['write of a new file where there is one', 'FILE_EXISTS', (files) => files.write('f', '', { exclusive: true })],
  ['write over other content', 'NO_MATCH', (files) => files.write('f', '', { ifMatch: NO_HASH })],
  ['write over content that is not there', 'NO_MATCH', (files) => files.write('nothing', '', { ifMatch: NO_HASH })],
  ['write with a hash that is none', 'INVALID_REQUEST', (files) => files.write('f', '', { ifMatch: 'x' })],
  ['write with a setuid bit', 'INVALID_REQUEST', (files) => files.write('f', '', { mode: 0o4755 })],
  ['write of a name of 256 bytes', 'INVALID_REQUEST', (files) => files.write(LONG_NAME, '')],
  ['append to a directory', 'IS_DIRECTORY', (files) => files.write('d', '', { append: true })],
  ['append to another size', 'NO_MATCH', (files) => files.write('f', 'x', { append: true, at: 1 })],
  ['append through a symlink to nothing', 'FILE_NOT_FOUND', (files) => files.write('dangling', 'x', { append: true })],
  ...pathErrors('list', (files, path) => files.list(path)),
  ['list of a file', 'NOT_DIRECTORY', (files) => files.list('f')],
  ['list of no entry at all', 'INVALID_REQUEST', (files) => files.list('d', { limit: 0 })],
  ['list of more than a million', 'INVALID_REQUEST', (files) => files.list('d', { limit: 1_000_001 })],
  ...pathErrors('stat', (files, path) => files.stat(path)),
  ['exists, asked of the outside', 'PATH_ESCAPES_WORKSPACE', (files) => files.exists('out')],
  ['exists, asked of what may not be seen', 'PERMISSION_DENIED', (files) => files.exists('locked/in')],
  ['mkdir over a file', 'FILE_EXISTS', (files) => files.mkdir('f')],
  ['mkdir over a directory, without parents', 'FILE_EXISTS', (files) => files.mkdir('d', { parents: false })],
  ['mkdir without its parent', 'FILE_NOT_FOUND', (files) => files.mkdir('no/such', { parents: false })],
  ['mkdir below a file', 'NOT_DIRECTORY', (files) => files.mkdir('f/x')],
  ['mkdir outside', 'PATH_ESCAPES_WORKSPACE', (files) => files.mkdir('out/x')],
  ['mkdir without rights', 'PERMISSION_DENIED', (files) => files.mkdir('locked/x')],
  ...pathErrors('remove', (files, path) => files.remove(path)),
  ['remove of an empty directory, not recursive', 'IS_DIRECTORY', (files) => files.remove('empty')],
  ['remove of a directory with content', 'IS_DIRECTORY', (files) => files.remove('d')],
  ['remove of the workspace', 'INVALID_REQUEST', (files) => files.remove('.', { recursive: true })],
  ...pathErrors('move', (files, path) => files.move(path, 'moved')),
  ['move over a file', 'FILE_EXISTS', (files) => files.move('d/g', 'f')],
  ['move of a file over a directory', 'IS_DIRECTORY', (files) => files.move('f', 'empty', { overwrite: true })],
  ['move of a directory over a full one', 'FILE_EXISTS', (files) => files.move('empty', 'd', { overwrite: true })],
  ['move into itself', 'INVALID_REQUEST', (files) => files.move('d', 'd/x')],
  ['move of the workspace', 'INVALID_REQUEST', (files) => files.move('.', 'x')],
  ['move below a file', 'NOT_DIRECTORY', (files) => files.move('d/g', 'f/x')],
  ['move to the outside', 'PATH_ESCAPES_WORKSPACE', (files) => files.move('d/g', '../g')],
  ['move to a directory without rights', 'PERMISSION_DENIED', (files) => files.move('d/g', 'locked/g')],
  ...pathErrors('copy', (files, path) => files.copy(path, 'copied')),
  ['copy of a directory, not recursive', 'IS_DIRECTORY', (files) => files.copy('d', 'copied')],
  ['copy of a FIFO', 'NOT_REGULAR_FILE', (files) => files.copy('pipe', 'copied')],
  ['copy over a file', 'FILE_EXISTS', (files) => files.copy('d/g', 'f')],
  ['copy of a tree over a directory', 'FILE_EXISTS', (files) => files.copy('d', 'empty', { recursive: true })],
  ['copy into itself', 'INVALID_REQUEST', (files) => files.copy('d', 'd/x', { recursive: true })],
  ['copy to the outside', 'PATH_ESCAPES_WORKSPACE', (files) => files.copy('f', 'out/f')],
  ['copy of what may not be read', 'PERMISSION_DENIED', (files) => files.copy('secret', 'copied')],
  ...pathErrors('chmod', (files, path) => files.chmod(path, 0o644)),
  ['chmod with a sticky bit', 'INVALID_REQUEST', (files) => files.chmod('f', 0o1777)],
  ...pathErrors('readlink', (files, path) => files.readlink(path)),
  ['readlink of a file', 'INVALID_REQUEST', (files) => files.readlink('f')],
  ['symlink over a file', 'FILE_EXISTS', (files) => files.symlink('d', 'f')],
  ['symlink to an absolute path', 'PATH_ESCAPES_WORKSPACE', (files) => files.symlink('/etc/passwd', 'link')],
  ['symlink to the outside', 'PATH_ESCAPES_WORKSPACE', (files) => files.symlink('../x', 'link')],
  ['symlink to nothing at all', 'INVALID_REQUEST', (files) => files.symlink('', 'link')],
  ['symlink in a directory without rights', 'PERMISSION_DENIED', (files) => files.symlink('in', 'locked/link')],
  ['glob below what is not there', 'FILE_NOT_FOUND', (files) => files.glob('*', { path: 'nothing' })],
  ['glob by a way out', 'PATH_ESCAPES_WORKSPACE', (files) => files.glob('*', { path: 'out' })],
  ['glob of no match at all', 'INVALID_REQUEST', (files) => files.glob('*', { limit: 0 })],
  ['grep below what is not there', 'FILE_NOT_FOUND', (files) => files.grep('x', { path: 'nothing' })],
  ['grep by a way out', 'PATH_ESCAPES_WORKSPACE', (files) => files.grep('x', { path: 'out' })],
  ['grep for what is no expression', 'INVALID_REQUEST', (files) => files.grep('(')],
  ['grep in a FIFO', 'NOT_REGULAR_FILE', (files) => files.grep('x', { path: 'pipe' })],
  ['watch of what is not there', 'FILE_NOT_FOUND', (files) => drained(files.watch('nothing'))],
  ['watch by a way out', 'PATH_ESCAPES_WORKSPACE', (files) => drained(files.watch('out'))],
  ['upload below a file', 'NOT_DIRECTORY', (files) => files.upload(local, 'f/x')],
  ['upload to the outside', 'PATH_ESCAPES_WORKSPACE', (files) => files.upload(local, 'out/x')],
  ['download of what is not there', 'FILE_NOT_FOUND', (files) => files.download('nothing', local)],
  ['download from the outside', 'PATH_ESCAPES_WORKSPACE', (files) => files.download('out', local)],
  ['edit of a directory', 'IS_DIRECTORY', (files) => files.edit('d', { oldText: 'a', newText: 'b' })],
  ['edit of what is not there', 'FILE_NOT_FOUND', (files) => files.edit('nothing', { oldText: 'a', newText: 'b' })],
  ['edit without a match', 'NO_MATCH', (files) => files.edit('f', { oldText: 'nothing', newText: 'b' })],
  ['edit with several', 'AMBIGUOUS_MATCH', (files) => files.edit('f', { oldText: 'l', newText: 'b' })],
  ['insert after a line that there is not', 'INVALID_REQUEST', (files) => files.insert('f', { line: 9, text: 'x' })],
  ['view of what is not there', 'FILE_NOT_FOUND', (files) => files.view('nothing')],
  ['undo of what was not edited', 'INVALID_REQUEST', (files) => files.undoEdit('f')],
];

describe('a file verb says what is wrong:', () => {
  test.each(ERRORS)('%s is %s', async (_claim, code, call) => {
    expect(await codeOf(call(sandbox.files))).toBe(code);
  });

  test('and none of them has changed or left anything', async () => {
    const { entries } = await sandbox.files.list('.');
    const names = 'd dangling deep empty f inner locked loop out pipe secret'.split(' ');
    expect(entries.map(({ path }) => path)).toEqual(names);
    expect(await sandbox.files.readText('f')).toBe('hello\n');
  });
});

describe('a file verb keeps its limits and tells them:', () => {
  test('a range ends where the file does', async () => {
    const { files } = sandbox;
    const read = async (options: Parameters<Files['read']>[1]) => Buffer.from(await files.read('f', options)).toString();
    expect([await read({ offset: 4, length: 100 }), await read({ offset: 100 }), await read({ length: 0 })]).toEqual(['o\n', '', '']);
  });

  test('a listing ends at its limit and at 64 levels', async () => {
    expect(await sandbox.files.list('.', { limit: 2 })).toMatchObject({ truncated: true, omitted: ['limit'] });
    const { entries, ...told } = await sandbox.files.list('deep', { recursive: true });
    expect(entries.length).toBeLessThan(DEEP_LEVELS);
    expect(told).toMatchObject({ truncated: true, omitted: ['depth'] });
  });

  test('what was left out of a search is counted, with why', async () => {
    await sandbox.files.write('many', 'needle\n'.repeat(10));
    expect(await sandbox.files.grep('needle', { path: 'many', limit: 3 })).toMatchObject({ truncated: true, omitted: ['limit'] });
    expect(await sandbox.files.glob('**', { path: 'deep' })).toMatchObject({ truncated: true, omitted: ['depth'] });
  });

  test('a file larger than the disk limit is refused as such', async () => {
    await sandbox.exec('truncate -s 64M sparse');
    expect(await codeOf(sandbox.files.write('sparse', 'x', { append: true }))).toBe('TOO_LARGE');
    await sandbox.files.remove('sparse');
  });

  test('an append that meets a full disk says what of it is in the file', async () => {
    const { files } = sandbox;
    await files.write('log', 'old\n');
    const block = Buffer.alloc(MIB, 'x');
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield block;
    }
    // The other half of the disk, so that it is the quota and not the size of a file that ends it.
    await files.write('ballast', Buffer.alloc(32 * MIB, 1));
    const error = await files.write('log', endless(), { append: true }).catch((reason: SandboxError) => reason);
    expect(error).toMatchObject({ code: 'WORKSPACE_FULL' });
    const { message, hint } = error as SandboxError;
    const told = /; (\d+) bytes of it are in the file, which has (\d+) bytes now$/.exec(message);
    const { size } = await files.stat('log');
    expect({ size, message }).toEqual({ size: Number(told?.[2] ?? 4), message });
    if (told === null) return;
    expect(size).toBe(4 + Number(told[1]));
    // The hint is good: with room again the rest goes behind what is there.
    expect(hint).toContain(`at: ${size}`);
    await files.remove('ballast');
    await files.write('log', 'new\n', { append: true, at: size });
    expect(Buffer.from(await files.read('log', { offset: size })).toString()).toBe('new\n');
    await files.remove('log');
  });

  test('a write that meets a full disk leaves the old file', async () => {
    const { files } = sandbox;
    await files.write('log', 'old\n');
    expect(await codeOf(files.write('log', Buffer.alloc(96 * MIB, 1)))).toMatch(/^(WORKSPACE_FULL|TOO_LARGE)$/);
    expect(await files.readText('log')).toBe('old\n');
  });
});

test('a profile with a read-only workspace refuses every verb that writes before it reaches init, and the mount as well', async () => {
  const client = await daemon.connect('reader');
  const reader = await client.open({ session: 'reads', profile: 'readonly' });
  const { files } = reader;
  const writing: Readonly<Record<string, () => PromiseLike<unknown>>> = {
    write: () => files.write('new', 'x'),
    'write of no bytes': () => files.write('new', ''),
    append: () => files.write('new', 'x', { append: true }),
    mkdir: () => files.mkdir('new'),
    move: () => files.move('a', 'b'),
    copy: () => files.copy('a', 'b'),
    remove: () => files.remove('a'),
    'remove of a tree': () => files.remove('a', { recursive: true, force: true }),
    chmod: () => files.chmod('a', 0o600),
    symlink: () => files.symlink('a', 'new'),
    edit: () => files.edit('a', { oldText: 'a', newText: 'b' }),
    insert: () => files.insert('a', { line: 0, text: 'b' }),
    patch: () => files.patch('*** Add File: new\n+b\n'),
    undoEdit: () => files.undoEdit('a'),
    upload: () => files.upload(local, 'new'),
  };
  for (const [verb, call] of Object.entries(writing)) {
    const refused = await Promise.resolve(call()).catch((error: SandboxError) => `${error.code}: ${error.message}`);
    expect(refused, verb).toMatch(/^PERMISSION_DENIED: .*(read-only workspace|workspace is read-only)/);
  }
  expect((await files.list('.')).entries).toEqual([]);
  const tried = await reader.exec('touch new');
  expect([tried.exitCode, tried.stderr]).toEqual([1, expect.stringContaining('Read-only file system')]);
  const mount = reader.receipt.mounts.find(({ target }) => target === '/workspace');
  expect(mount?.flags).toContain('ro');
  await reader.close();
});
