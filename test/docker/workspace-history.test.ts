// What a workspace was and how it changed, on a real btrfs pool and on plain directories, without a sandbox.

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExecResult } from '../../client/protocol/exec.ts';
import { ExecId } from '../../client/protocol/names.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { CheckpointRecords } from '../../daemon/workspace/checkpoint-records.ts';
import { openWorkspaceStore } from '../../daemon/workspace/open-store.ts';
import { newWorkspaceId, type WorkspaceStore } from '../../daemon/workspace/store.ts';
import type { UndoFiles } from '../../daemon/workspace/undo.ts';
import { WorkspaceHistory } from '../../daemon/workspace/workspace-history.ts';
import { WorkspaceQueues } from '../../daemon/workspace/workspace-queues.ts';
import { MIB, newStateDir, removeStateDir, runAs, silentLog } from '../contract/workspace-store-contract.ts';

const uid = 231_300;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Stands for the file worker: writes as root into the test's own workspace. */
const hostFiles = (root: string): UndoFiles => ({
  write: async (path, source, { mode }) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await rm(join(root, path), { force: true });
    await writeFile(join(root, path), source, { mode });
    await chown(join(root, path), uid, uid);
  },
  remove: async (path, { recursive = false }) => {
    const found = await stat(join(root, path)).catch(() => undefined);
    await rm(join(root, path), { recursive: recursive || found?.isDirectory() === true, force: true }).catch((cause: unknown) => {
      throw new SandboxError('FILE_EXISTS', 'not empty', { cause });
    });
  },
  mkdir: async (path, { mode }) => {
    const made = await mkdir(join(root, path), { recursive: true, mode });
    if (made !== undefined) await chown(join(root, path), uid, uid);
  },
  chmod: async (path, mode) => await chmod(join(root, path), mode),
  restoreSymlink: async (path, target) => await symlink(target, join(root, path)),
});

const resultOf = (id: string): ExecResult => ({
  id: ExecId.parse(id),
  outcome: 'exited',
  exitCode: 0,
  signal: null,
  stdout: '',
  stderr: '',
  droppedBytes: { stdout: 0, stderr: 0 },
  nextOffset: 0,
  durationMs: 1,
  cpuMs: 1,
  maxRssBytes: 1,
  egress: [],
  notes: [],
});

describe.each(['btrfs', 'directory'] as const)('history of a workspace: %s', (kind) => {
  let stateDir = '';
  let store: WorkspaceStore;
  let records: CheckpointRecords;
  let history: WorkspaceHistory;

  const create = async (): Promise<{ id: string; path: string; run: (command: string) => Promise<void> }> => {
    const id = newWorkspaceId();
    const { path } = await store.create({ id, uid, gid: uid, maxBytes: kind === 'btrfs' ? 64 * MIB : null, tenant: 'acme' });
    const run = async (command: string): Promise<void> => {
      const { code, stderr } = await runAs(uid, path, command);
      if (code !== 0) throw new Error(stderr);
    };
    return { id, path, run };
  };

  beforeAll(async () => {
    stateDir = await newStateDir();
    store = await openWorkspaceStore({ stateDir, kind, poolBytes: 1024 * MIB, acceptNoQuota: true, floorBytes: 64 * MIB, log: silentLog });
    records = await CheckpointRecords.open(stateDir);
    history = new WorkspaceHistory({ store, queues: new WorkspaceQueues(), checkpointRecords: records, log: silentLog });
  });
  afterAll(async () => {
    await store.dispose();
    await removeStateDir(stateDir);
  });

  it('says what was created, changed and deleted since a snapshot, with sizes and hashes', async () => {
    const { id, run } = await create();
    await run(
      'mkdir -p src/deep empty gone/x; echo one > src/a; echo two > src/b; echo same > src/deep/c; echo y > gone/x/y; ln -s a src/l',
    );
    await history.snapshot(id, 'before');
    await run(
      'echo ONE > src/a; chmod 600 src/b; echo same > src/deep/c; rm -r gone; mkdir -p new/dir/tree; echo n > new/dir/n; rmdir empty; ln -sfn b src/l; mkfifo pipe',
    );
    const { changes, total, truncated } = await history.diff(id, 'before', 1000);
    expect(changes).toEqual([
      { path: 'empty', kind: 'deleted', bytes: 0, type: 'directory' },
      { path: 'gone/x/y', kind: 'deleted', bytes: 2 },
      { path: 'new/dir/n', kind: 'created', bytes: 2, sha256: sha256('n\n') },
      { path: 'new/dir/tree', kind: 'created', bytes: 0, type: 'directory' },
      { path: 'pipe', kind: 'created', bytes: 0, type: 'fifo' },
      { path: 'src/a', kind: 'changed', bytes: 4, sha256: sha256('ONE\n') },
      { path: 'src/b', kind: 'changed', bytes: 4, sha256: sha256('two\n') },
      { path: 'src/l', kind: 'changed', bytes: 1, type: 'symlink' },
    ]);
    expect({ total, truncated }).toEqual({ total: 8, truncated: false });
    expect((await history.diff(id, 'before', 3)).truncated).toBe(true);
  });

  it('sees a change that keeps size and time', async () => {
    const { id, run } = await create();
    await run('echo one > a; touch -d 2020-01-01 a');
    await history.snapshot(id, 'before');
    await run('echo two > a; touch -d 2020-01-01 a');
    expect((await history.diff(id, 'before', 10)).changes).toEqual([{ path: 'a', kind: 'changed', bytes: 4, sha256: sha256('two\n') }]);
  });

  it('is not confused by names with newlines, options, quotes or bytes that are no text', async () => {
    const { id, run } = await create();
    await history.snapshot(id, 'before');
    await run(
      `printf x > '-rf'; printf x > "$(printf 'a\\nb')"; printf x > "$(printf 'q\\\\"x')"; printf x > "$(printf 'bad\\377')"; printf x > ' '`,
    );
    const { changes } = await history.diff(id, 'before', 100);
    expect(changes.map(({ path, sha256: hash }) => `${path} ${hash === sha256('x')}`)).toEqual([
      '  true',
      '-rf true',
      'a\nb true',
      'bad\uFFFD true',
      'q\\"x true',
    ]);
  });

  it('lets 16 snapshots be, and checkpoints give way to what comes', async () => {
    const { id, run } = await create();
    for (let number = 0; number < 15; number += 1) await history.snapshot(id, `s${number}`);
    await history.checkpoint(id, 'First');
    await run('echo 1 > a');
    await history.checkpoint(id, 'second');
    const names = (await history.snapshots(id)).map(({ name, execId }) => execId ?? name);
    expect(names).toHaveLength(16);
    expect(names.at(-1)).toBe('second');
    await history.snapshot(id, 's15');
    await expect(history.snapshot(id, 's16')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await expect(history.checkpoint(id, 'third')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await expect(history.snapshot(id, 's3')).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    await expect(history.undo(id, 'First', hostFiles('/nonexistent'), false)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await history.deleteSnapshot(id, 's3');
    await history.snapshot(id, 's16');
    expect(await history.usage(id)).toMatchObject({ store: kind, snapshots: 16 });
    await store.remove(id);
  });

  it('tells what a command changed, and takes it back in place', async () => {
    const { id, path, run } = await create();
    await run(
      'mkdir -p keep venv/bin; echo old > keep/changed; chmod 640 keep/changed; echo run > venv/bin/tool; chmod 755 venv/bin/tool; ln -s /usr/bin/python3 venv/bin/python; mkdir void; chmod 711 void; echo f > turns',
    );
    await history.checkpoint(id, 'cmd-1');
    await run(
      'echo newer > keep/changed; chmod 600 keep/changed; rm -r venv void; mkdir -p made/by; echo x > made/by/it; rm turns; mkdir turns; echo in > turns/side',
    );
    const result = await history.complete(id, resultOf('cmd-1'));
    expect(result.changes?.map(({ kind: what, path: name }) => `${what} ${name}`)).toEqual([
      'changed keep/changed',
      'created made/by/it',
      'changed turns',
      'created turns/side',
      'deleted venv/bin/python',
      'deleted venv/bin/tool',
      'deleted void',
    ]);
    const undone = await history.undo(id, 'cmd-1', hostFiles(path), false);
    expect(undone).toMatchObject({ truncated: false, skipped: [] });
    expect(await readFile(join(path, 'keep/changed'), 'utf8')).toBe('old\n');
    expect((await stat(join(path, 'keep/changed'))).mode & 0o777).toBe(0o640);
    expect((await stat(join(path, 'venv/bin/tool'))).mode & 0o777).toBe(0o755);
    expect(await readlink(join(path, 'venv/bin/python'))).toBe('/usr/bin/python3');
    expect((await stat(join(path, 'void'))).mode & 0o777).toBe(0o711);
    expect(await readFile(join(path, 'turns'), 'utf8')).toBe('f\n');
    await expect(stat(join(path, 'made'))).rejects.toThrow('ENOENT');
    // Once more changes nothing.
    expect((await history.undo(id, 'cmd-1', hostFiles(path), false)).total).toBe(0);
  });

  it('sees a change that bears the same time as the one before the checkpoint', async () => {
    const { id, path } = await create();
    for (const content of ['b', 'c', 'd', 'e', 'f', 'g']) {
      writeFileSync(join(path, 'ticking'), 'a');
      await history.snapshot(id, `at-${content}`);
      writeFileSync(join(path, 'ticking'), content);
      const { changes } = await history.diff(id, `at-${content}`, 10);
      expect(changes.map(({ kind: what, path: name }) => `${what} ${name}`)).toEqual(['changed ticking']);
      await history.deleteSnapshot(id, `at-${content}`);
    }
  });

  it('lists snapshots while copies for comparisons come and go', async () => {
    const { id } = await create();
    await history.snapshot(id, 'one');
    for (let round = 0; round < 20; round += 1) {
      const [, listed] = await Promise.all([history.diff(id, 'one', 10), history.snapshots(id)]);
      expect([...listed, ...(await history.snapshots(id))].map(({ name }) => name)).toEqual(['one', 'one']);
    }
  });

  it('does not take back over what was changed again, unless told to', async () => {
    const { id, path, run } = await create();
    await run('echo old > a; echo old > b');
    await history.checkpoint(id, 'cmd-2');
    await run('echo new > a; echo new > b');
    await history.complete(id, resultOf('cmd-2'));
    await run('echo later > a');
    await expect(history.undo(id, 'cmd-2', hostFiles(path), false)).rejects.toMatchObject({
      code: 'NO_MATCH',
      message: expect.stringContaining('"a"'),
    });
    expect(await readFile(join(path, 'b'), 'utf8')).toBe('new\n');
    await history.undo(id, 'cmd-2', hostFiles(path), true);
    expect(await readFile(join(path, 'a'), 'utf8')).toBe('old\n');
    expect(await readFile(join(path, 'b'), 'utf8')).toBe('old\n');
  });

  it('knows the open checkpoints of a daemon that was killed', async () => {
    const { id, run } = await create();
    await history.checkpoint(id, 'Cmd_3');
    await run('echo x > a');
    const reopened = await CheckpointRecords.open(stateDir);
    expect(reopened.isOpen(id, 'Cmd_3')).toBe(true);
    const next = new WorkspaceHistory({ store, queues: new WorkspaceQueues(), checkpointRecords: reopened, log: silentLog });
    await expect(next.undo(id, 'Cmd_3', hostFiles('/nonexistent'), false)).rejects.toMatchObject({ code: 'SESSION_BUSY' });
    expect((await next.complete(id, resultOf('Cmd_3'))).changes).toHaveLength(1);
    expect((await next.complete(id, resultOf('other'))).changes).toBeUndefined();
  });

  it('leaves no frozen copy behind', async () => {
    const { id } = await create();
    await history.snapshot(id, 'one');
    await history.diff(id, 'one', 10);
    await expect.poll(async () => (await store.listSnapshots(id)).map(({ name }) => name)).toEqual(['one']);
  });
});
