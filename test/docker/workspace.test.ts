// Workspaces through the client: snapshots, restore, fork, checkpointed commands, and whole trees in and out.

import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { codeOf } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const PACKAGE = join(import.meta.dirname, '../../node_modules/knip');

let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'cl-tree-'));
  daemon = await startTestDaemon();
  client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'trunk', limits: { diskBytes: 512 * 1024 * 1024 } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
});

/** Relative path to mode, kind and content of everything below. */
async function fingerprint(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(root.length + 1);
    if (entry.isSymbolicLink()) found.set(name, `-> ${await readlink(path)}`);
    else if (entry.isDirectory()) found.set(name, 'directory');
    else {
      const mode = (await stat(path)).mode & 0o777;
      found.set(
        name,
        `${mode.toString(8)} ${createHash('sha256')
          .update(await readFile(path))
          .digest('hex')}`,
      );
    }
  }
  return found;
}

describe('a workspace', () => {
  test('says what it uses', async () => {
    await sandbox.exec('head -c 3000000 /dev/urandom > big; sync big');
    const usage = await sandbox.workspace.usage();
    expect(usage).toMatchObject({ store: 'btrfs', maxBytes: 512 * 1024 * 1024 });
    expect(usage.usedBytes).toBeGreaterThan(2_900_000);
  });

  test('is restored to a snapshot in a new container of the same id, and what ran is killed', async () => {
    await sandbox.files.write('state', 'one');
    await sandbox.workspace.snapshot('one');
    await sandbox.files.write('state', 'two');
    const { id, receipt } = sandbox;
    const running = sandbox.exec('sleep 100');
    await expect.poll(async () => (await sandbox.execs()).some(({ state }) => state === 'running')).toBe(true);
    await sandbox.workspace.restore('one');
    expect(await running).toMatchObject({ outcome: 'killed', by: 'workspace:restore' });
    expect(await sandbox.files.readText('state')).toBe('one');
    expect(sandbox.id).toBe(id);
    expect(sandbox.receipt.at).not.toBe(receipt.at);
    expect(sandbox.receipt.uid).toBe(receipt.uid);
    expect((await sandbox.workspace.snapshots()).map(({ name }) => name)).toEqual(['one']);
    expect((await sandbox.workspace.usage()).maxBytes).toBe(512 * 1024 * 1024);
    expect(await codeOf(sandbox.workspace.restore('none'))).toBe('NOT_FOUND');
  });

  test('is forked to a session of the same tenant, with its uid, and goes its own way', async () => {
    await sandbox.files.write('shared', 'origin');
    await sandbox.workspace.fork({ session: 'branch' });
    await using branch = await client.open({ session: 'branch' });
    expect(branch.receipt.uid).toBe(sandbox.receipt.uid);
    expect(await branch.files.readText('shared')).toBe('origin');
    await branch.files.write('shared', 'branch');
    expect(await sandbox.files.readText('shared')).toBe('origin');
    expect(await codeOf(sandbox.workspace.fork({ session: 'branch' }))).toBe('FILE_EXISTS');
    await sandbox.workspace.fork({ session: 'past', snapshot: 'one' });
    await using past = await client.open({ session: 'past' });
    expect(await past.files.exists('shared')).toBe(false);
  });

  test('is nobody else’s', async () => {
    const other = await daemon.connect('rival');
    await using theirs = await other.open({ session: 'branch' });
    expect(theirs.receipt.uid).not.toBe(sandbox.receipt.uid);
    expect(await codeOf(theirs.workspace.restore('one'))).toBe('NOT_FOUND');
    expect(await codeOf(theirs.workspace.diff({ since: 'one' }))).toBe('NOT_FOUND');
  });

  test('that is full is said beside the outcome', async () => {
    await using small = await client.open({ session: 'small', limits: { diskBytes: 8 * 1024 * 1024 } });
    const result = await small.exec('head -c 20000000 /dev/zero > fill');
    expect(result.exitCode).toBe(1);
    expect(result.notes.map(({ code }) => code)).toContain('workspaceFull');
    expect(await codeOf(small.files.write('more', Buffer.alloc(4 * 1024 * 1024, 1)))).toBe('WORKSPACE_FULL');
    await small.exec('rm fill');
    expect((await small.exec('true')).notes).toEqual([]);
  });
});

describe('a command with a checkpoint', () => {
  test('lists what it changed, and is taken back', async () => {
    await sandbox.exec('mkdir -p app && echo v1 > app/main && ln -s /usr/bin/env app/env && echo keep > app/keep');
    const result = await sandbox.exec('echo v2 > app/main; rm app/env; mkdir app/out; echo built > app/out/bin', { checkpoint: true });
    expect(result.changes).toMatchObject([
      { path: 'app/env', kind: 'deleted', type: 'symlink' },
      { path: 'app/main', kind: 'changed', bytes: 3, sha256: createHash('sha256').update('v2\n').digest('hex') },
      { path: 'app/out/bin', kind: 'created', bytes: 6 },
    ]);
    const undone = await sandbox.workspace.undo(result.id);
    expect(undone.changes.map(({ path, kind }) => `${kind} ${path}`)).toEqual([
      'created app/env',
      'changed app/main',
      'deleted app/out/bin',
    ]);
    expect((await sandbox.exec('cat app/main; readlink app/env; ls app')).stdout).toBe('v1\n/usr/bin/env\nenv\nkeep\nmain\n');
  });

  test('that changes nothing lists nothing; one without has no list', async () => {
    expect((await sandbox.exec('true', { checkpoint: true })).changes).toEqual([]);
    const { id, changes } = await sandbox.exec('touch plain');
    expect(changes).toBeUndefined();
    expect(await codeOf(sandbox.workspace.undo(id))).toBe('NOT_FOUND');
  });

  test('that changes thousands of files is listed in part, and taken back as a whole', async () => {
    const result = await sandbox.exec('mkdir many && cd many && seq 1500 | xargs touch && rm -rf ../app', { checkpoint: true });
    expect(result.changes).toHaveLength(500);
    expect(result.notes.map(({ code }) => code)).toContain('changesTruncated');
    const undone = await sandbox.workspace.undo(result.id);
    expect(undone.total).toBe(1503);
    expect((await sandbox.exec('ls; cat app/main')).stdout).not.toContain('many');
  });

  test('whose background processes go on is compared when it ends', async () => {
    const running = sandbox.exec('sleep 0.3; echo late > late', { background: true, checkpoint: true });
    expect((await running).changes).toMatchObject([{ path: 'late', kind: 'created' }]);
  });
});

describe('trees', () => {
  test('of a real package of over 1,000 files come back as they went', async () => {
    const before = await fingerprint(PACKAGE);
    const progress: number[] = [];
    const up = await sandbox.files.upload(PACKAGE, 'package', { onProgress: ({ files }) => progress.push(files) });
    expect(up.files).toBeGreaterThan(1000);
    expect(progress.at(-1)).toBe(up.files);
    const down = await sandbox.files.download('package', join(scratch, 'package'));
    expect(down).toMatchObject({ files: up.files, bytes: up.bytes, skipped: 0 });
    expect(await fingerprint(join(scratch, 'package'))).toEqual(before);
    expect((await sandbox.exec('find package -not -user "$(id -u)" | wc -l')).stdout.trim()).toBe('0');
  });

  test('of a real package can be searched, edited and patched in place, and differ in nothing else', async () => {
    const local = join(scratch, 'edited');
    await cp(PACKAGE, local, { recursive: true });
    await sandbox.files.upload(local, 'edited');
    const manifest = await readFile(join(local, 'package.json'), 'utf8');
    const version = /"version": "[^"]+"/.exec(manifest)?.[0] ?? '';
    const word = 'Configuration';
    const expected: string[] = [];
    for (const entry of await readdir(local, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || !entry.name.endsWith('.js')) continue;
      const at = (await readFile(path, 'utf8')).split('\n').flatMap((line, index) => (line.includes(word) ? [index + 1] : []));
      expected.push(...at.map((line) => `${path.slice(local.length + 1)}:${line}`));
    }
    expect(expected.length).toBeGreaterThan(5);
    const { lines } = await sandbox.files.grep(word, { path: 'edited', glob: '*.js', literal: true });
    expect(lines.map(({ path, line }) => `${path.replace(/^edited\//, '')}:${line}`).toSorted()).toEqual(expected.toSorted());
    await sandbox.files.edit('edited/package.json', { oldText: version, newText: '"version": "0.0.0"' });
    const license = await readFile(join(local, 'LICENSE'), 'utf8');
    const [first = ''] = license.split('\n');
    await sandbox.files.patch(`--- a/edited/LICENSE\n+++ b/edited/LICENSE\n@@ -1,1 +1,2 @@\n+patched\n ${first}\n`);
    await sandbox.files.download('edited', join(scratch, 'edited-back'));
    await writeFile(join(local, 'package.json'), manifest.replace(version, '"version": "0.0.0"'));
    await writeFile(join(local, 'LICENSE'), `patched\n${license}`);
    expect(await fingerprint(join(scratch, 'edited-back'))).toEqual(await fingerprint(local));
  });

  test('keep modes, long names, empty directories and inner symlinks, and leave the rest', async () => {
    const root = join(scratch, 'odd');
    const long = 'n'.repeat(200);
    await mkdir(join(root, 'a', 'empty'), { recursive: true });
    await mkdir(join(root, long), { recursive: true });
    await writeFile(join(root, long, `${long}é`), 'long');
    await writeFile(join(root, 'a', 'tool'), '#!/bin/sh\n');
    await chmod(join(root, 'a', 'tool'), 0o4755);
    await mkdir(join(root, 'closed'));
    await chmod(join(root, 'closed'), 0o500);
    await symlink('tool', join(root, 'a', 'link'));
    await symlink('/etc/passwd', join(root, 'outside'));
    await symlink('a/../../up', join(root, 'sneaky'));
    await writeFile(join(root, 'large'), Buffer.alloc(3_000_001, 7));
    const up = await sandbox.files.upload(root, 'odd');
    expect(up).toMatchObject({ files: 3, symlinks: 1, skipped: 2 });
    expect(up.skippedPaths.toSorted()).toEqual(['outside', 'sneaky']);
    expect((await sandbox.exec('stat -c %a odd/a/tool odd/closed; readlink odd/a/link')).stdout).toBe('755\n500\ntool\n');
    await sandbox.exec('ln -s /etc/shadow odd/bad; mkfifo odd/pipe');
    const down = await sandbox.files.download('odd', join(scratch, 'odd-back'));
    expect(down).toMatchObject({ files: 3, symlinks: 1, skipped: 2 });
    const expected = await fingerprint(root);
    expected.delete('outside');
    expected.delete('sneaky');
    expected.set('a/tool', expected.get('a/tool') ?? '');
    expect(await fingerprint(join(scratch, 'odd-back'))).toEqual(expected);
  });

  test('may be one file', async () => {
    await writeFile(join(scratch, 'single'), 'alone');
    await sandbox.files.upload(join(scratch, 'single'), 'into/dir');
    expect(await sandbox.files.readText('into/dir/single')).toBe('alone');
    await sandbox.files.download('into/dir/single', join(scratch, 'got'));
    expect(await readFile(join(scratch, 'got', 'single'), 'utf8')).toBe('alone');
  });

  test('that are not there, or do not fit, are said so', async () => {
    expect(await codeOf(sandbox.files.download('nowhere', scratch))).toBe('FILE_NOT_FOUND');
    await expect(sandbox.files.upload(join(scratch, 'nowhere'), 'x')).rejects.toThrow('ENOENT');
    expect(await codeOf(sandbox.files.download('package', join(scratch, 'cut'), { maxBytes: 10_000 }))).toBe('TOO_LARGE');
    expect(await codeOf(sandbox.files.upload(PACKAGE, '../out'))).toBe('PATH_ESCAPES_WORKSPACE');
    // The connection is as good as before.
    expect((await sandbox.exec('echo ok')).stdout).toBe('ok\n');
  });
});
