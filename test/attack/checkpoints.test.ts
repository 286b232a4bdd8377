// Checkpoints, snapshots and undo in the hands of a tenant that wants more storage than it has, or the host's files.

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { codeOf } from '../support/eventually.ts';
import { RawClient } from '../support/raw-client.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;
const TENANT_BYTES = 96 * MIB;

let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;

beforeAll(async () => {
  daemon = await startTestDaemon({ config: { ceilings: { perTenant: { diskBytes: TENANT_BYTES } } } });
  client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'greedy', limits: { diskBytes: 40 * MIB } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

describe('the storage of a tenant', () => {
  test('is not outgrown by checkpoints, and deleting them gives it back', async () => {
    let refused = '';
    let written = 0;
    for (let round = 0; round < 12 && refused === ''; round += 1) {
      // Each round pins the content of the last one.
      const result = await sandbox.exec('head -c 30000000 /dev/urandom > pinned && sync pinned', { checkpoint: true });
      if (result.exitCode === 0) written += 30_000_000;
      else refused = result.notes.map(({ code }) => code).join();
    }
    expect(refused).toContain('workspaceFull');
    expect(written).toBeLessThan(TENANT_BYTES);
    expect(written).toBeGreaterThan(TENANT_BYTES / 2);
    expect(await codeOf(sandbox.files.write('more', Buffer.alloc(35 * MIB, 1)))).toBe('WORKSPACE_FULL');
    await sandbox.exec('rm -f pinned more');
    for (const { name } of await sandbox.workspace.snapshots()) await sandbox.workspace.deleteSnapshot(name);
    await expect
      .poll(async () => (await sandbox.exec('head -c 30000000 /dev/urandom > pinned && sync pinned && rm pinned')).exitCode)
      .toBe(0);
  });

  test('holds another tenant back in nothing', async () => {
    const other = await daemon.connect('rival');
    await using theirs = await other.open({ session: 'calm', limits: { diskBytes: 40 * MIB } });
    expect((await theirs.exec('head -c 30000000 /dev/urandom > mine && sync mine')).exitCode).toBe(0);
  });

  test('is not outgrown by forks', async () => {
    await sandbox.exec('head -c 30000000 /dev/urandom > base && sync base');
    const codes: string[] = [];
    for (const session of ['fork-1', 'fork-2', 'fork-3']) {
      await sandbox.workspace.fork({ session });
      const limits = { diskBytes: 20 * MIB };
      // The ceiling counts what open sandboxes may use; the group below it what is there.
      const opened = await client.open({ session, limits }).catch((error: { code: string }) => error.code);
      codes.push(typeof opened === 'string' ? opened : 'open');
      if (typeof opened !== 'string') await opened.close({ workspace: 'delete' });
    }
    expect(codes).toEqual(['open', 'open', 'open']);
    const usage = await sandbox.workspace.usage();
    expect(usage.usedBytes).toBeLessThan(40 * MIB);
    await sandbox.exec('rm base');
  });
});

describe('names', () => {
  test.each<[string, string, object]>([
    ['a path as snapshot', 'workspace.snapshot', { name: '../../etc' }],
    ['a checkpoint as snapshot', 'workspace.snapshot', { name: 'checkpoint.aaaa' }],
    ['a path to restore', 'workspace.restore', { name: '../x' }],
    ['a path to compare with', 'workspace.diff', { since: '/etc' }],
    ['a path to fork to', 'workspace.fork', { session: '../other' }],
    ['a path as command', 'workspace.undo', { execId: '../../x' }],
  ])('%s is refused', async (_, operation, params) => {
    const raw = await RawClient.greet(daemon.url, { token: await daemon.token('acme') });
    await raw.request('open', { session: 'greedy', role: 'participant' });
    expect(await raw.codeOf(operation, { sandbox: sandbox.id, ...params })).toBe('INVALID_REQUEST');
    raw.end();
  });

  test('a participant restores nothing, a reader forks nothing, a token of one session forks to no other', async () => {
    await sandbox.workspace.snapshot('mine');
    const participant = await RawClient.greet(daemon.url, { token: await daemon.token('acme') });
    await participant.request('open', { session: 'greedy', role: 'participant' });
    expect(await participant.codeOf('workspace.restore', { sandbox: sandbox.id, name: 'mine' })).toBe('FORBIDDEN');
    const reader = await RawClient.greet(daemon.url, { token: await daemon.token('acme', { isReadOnly: true }) });
    await reader.request('open', { session: 'greedy', role: 'participant' });
    expect(await reader.codeOf('workspace.fork', { sandbox: sandbox.id, session: 'stolen' })).toBe('FORBIDDEN');
    expect(await reader.codeOf('workspace.diff', { sandbox: sandbox.id, since: 'mine' })).toBe('no error');
    const bound = await RawClient.greet(daemon.url, { token: await daemon.token('acme', { session: 'greedy' }) });
    await bound.request('open', { session: 'greedy', role: 'participant' });
    expect(await bound.codeOf('workspace.fork', { sandbox: sandbox.id, session: 'stolen' })).toBe('FORBIDDEN');
    for (const raw of [participant, reader, bound]) raw.end();
  });
});

describe('the host', () => {
  test('is not read by a comparison of symlinks, and not written by undoing them', async () => {
    const canary = join(daemon.stateDir, 'canary');
    await writeFile(canary, 'untouched');
    const result = await sandbox.exec(`ln -s ${canary} leak; mkdir -p d; ln -s ${daemon.stateDir} d/state; mkfifo pipe; echo x > file`, {
      checkpoint: true,
    });
    expect(result.changes).toMatchObject([
      { path: 'd/state', kind: 'created', type: 'symlink' },
      { path: 'file', kind: 'created' },
      { path: 'leak', kind: 'created', type: 'symlink' },
      { path: 'pipe', kind: 'created', type: 'fifo' },
    ]);
    expect(result.changes?.find(({ path }) => path === 'leak')?.sha256).toBeUndefined();
    await sandbox.workspace.undo(result.id);
    expect(await readFile(canary, 'utf8')).toBe('untouched');
    expect((await sandbox.exec('ls')).stdout).not.toContain('leak');
  });

  test('is out of reach of one that flips symlinks while its changes are taken back', async () => {
    const before = (await readdir(daemon.stateDir)).toSorted();
    await sandbox.exec('mkdir -p tree; for n in $(seq 200); do echo old > tree/f$n; done');
    const result = await sandbox.exec('rm -rf tree; mkdir tree; for n in $(seq 300); do echo evil > tree/f$n; done', { checkpoint: true });
    const flipper = sandbox.exec(
      `mkdir -p /tmp/away; while :; do mv tree real; ln -s /tmp/away tree; rm tree; mv real tree; ln -sfn ${daemon.stateDir} tree/f1; done 2>/dev/null`,
      { background: true },
    );
    const codes = new Set<unknown>();
    for (let round = 0; round < 6; round += 1) codes.add(await codeOf(sandbox.workspace.undo(result.id, { overwrite: true })));
    await flipper.kill();
    expect((await sandbox.exec('ls /tmp/away')).stdout).toBe('');
    expect((await readdir(daemon.stateDir)).toSorted()).toEqual(before);
    // However each went, none was an internal failure.
    expect([...codes].filter((code) => code === 'INTERNAL')).toEqual([]);
    expect((await sandbox.exec('true')).exitCode).toBe(0);
  });

  test('compares a tree that changes under it without a word of what is outside', async () => {
    // One that nothing of the tests before still works in.
    await using churned = await (await daemon.connect('churner')).open({ session: 'churned', limits: { diskBytes: 40 * MIB } });
    await churned.workspace.snapshot('still');
    const churn = churned.exec(`while :; do mkdir -p a/b; ln -sfn ${daemon.stateDir} a/c; rm -rf a; ln -s / a; rm a; done 2>/dev/null`, {
      background: true,
    });
    for (let round = 0; round < 5; round += 1) {
      const { changes } = await churned.workspace.diff({ since: 'still' });
      for (const { path, sha256 } of changes) expect([path.startsWith('a'), sha256]).toEqual([true, undefined]);
    }
    await churn.kill();
  });
});
