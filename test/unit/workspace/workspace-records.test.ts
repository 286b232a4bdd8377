import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newWorkspaceId } from '../../../daemon/workspace/store.ts';
import { type WorkspaceRecord, WorkspaceRecords } from '../../../daemon/workspace/workspace-records.ts';

const log = pino({ level: 'silent' });
const record = (changes: Partial<WorkspaceRecord> = {}): WorkspaceRecord => {
  const id = newWorkspaceId();
  return {
    id,
    tenant: 'acme',
    name: 'build',
    uid: 200_000,
    gid: 200_000,
    lineage: id,
    createdAt: '2026-01-02T03:04:05.000Z',
    retain: 'keep',
    maxBytes: 1024,
    store: 'btrfs',
    ...changes,
  };
};

describe('workspace records', () => {
  let stateDir = '';
  const open = async (): Promise<WorkspaceRecords> => await WorkspaceRecords.open({ stateDir, log });

  beforeEach(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'cloister-records-'));
  });
  afterEach(async () => {
    await rm(stateDir, { recursive: true });
  });

  it('are found by id and by tenant and name, also by the next daemon, and are private files', async () => {
    const records = await open();
    const mine = record();
    await records.add(mine);
    for (const reader of [records, await open()]) {
      expect(reader.get(mine.id)).toEqual(mine);
      expect(reader.find('acme', 'build')).toEqual(mine);
      expect(reader.find('globex', 'build')).toBeUndefined();
    }
    expect((await stat(join(stateDir, 'workspaces', `${mine.id}.json`))).mode & 0o777).toBe(0o600);
    await records.remove(mine.id);
    await records.remove(mine.id);
    expect((await open()).list()).toEqual([]);
  });

  it('let exactly one of two concurrent claims have a name', async () => {
    const records = await open();
    const spares = [record({ tenant: null, name: null }), record({ tenant: null, name: null })];
    for (const spare of spares) await records.add(spare);
    const claims = await Promise.allSettled(spares.map(async ({ id }) => await records.update(id, { tenant: 'acme', name: 'build' })));
    expect(claims.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect((await open()).list().filter(({ tenant }) => tenant === 'acme')).toHaveLength(1);
  });

  it('free a name when its record gets another', async () => {
    const records = await open();
    const mine = record();
    await records.add(mine);
    await records.update(mine.id, { name: 'other' });
    expect(records.find('acme', 'build')).toBeUndefined();
    await records.add(record());
    expect(records.list()).toHaveLength(2);
  });

  it.each([
    ['a taken name', record({ name: 'taken' })],
    ['a tenant without a name', record({ name: null })],
    ['uid 0', record({ uid: 0 })],
    ['a name that is a path', record({ name: '../x' })],
  ])('refuse %s', async (_, bad) => {
    const records = await open();
    await records.add(record({ name: 'taken' }));
    await expect(records.add(bad)).rejects.toThrow(/Cannot record workspace/);
    expect((await open()).list()).toHaveLength(1);
  });

  it('report what has files and no record, what has a record and no files, and what cannot be read', async () => {
    const records = await open();
    const [kept, lost] = [record({ name: 'kept' }), record({ name: 'lost' })];
    await records.add(kept);
    await records.add(lost);
    const torn = newWorkspaceId();
    await writeFile(join(stateDir, 'workspaces', `${torn}.json`), '{"id":');
    await writeFile(join(stateDir, 'workspaces', '.tmp-0123'), 'half');
    const again = await open();
    const stray = newWorkspaceId();
    expect(again.reconcile([kept.id, stray, torn])).toEqual({ withoutRecord: [stray], withoutDirectory: [lost], unreadable: [torn] });
    await expect(again.add(record({ id: torn }))).rejects.toThrow(/its id is taken/);
    expect(await readdir(join(stateDir, 'workspaces'))).not.toContain('.tmp-0123');
  });
});
