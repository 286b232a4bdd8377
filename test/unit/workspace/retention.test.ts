import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { WorkspaceRecord } from '../../../daemon/workspace/workspace-records.ts';
import { WorkspaceRetention } from '../../../daemon/workspace/workspace-retention.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const DAY_MS = 24 * 3_600_000;
const START = Date.parse('2026-01-01T00:00:00Z');

const record = (id: string, changes: Partial<WorkspaceRecord> = {}): WorkspaceRecord => ({
  id: id.padEnd(24, '0'),
  tenant: 'acme',
  name: id,
  uid: 200_000,
  gid: 200_000,
  lineage: id.padEnd(24, '0'),
  createdAt: new Date(START - 10 * DAY_MS).toISOString(),
  retain: 'keep',
  maxBytes: null,
  store: 'btrfs',
  ...changes,
});

function setUp(records: WorkspaceRecord[], retainMs: number | null, inUse: readonly string[] = []) {
  const clock = new FakeClock(START);
  const removed: string[] = [];
  const retention = new WorkspaceRetention({
    list: () => records,
    isInUse: (id) => inUse.includes(id.replace(/0+$/, '')),
    remove: async (id) => {
      if (id.startsWith('stuck')) throw new Error('it is busy');
      removed.push(id.replace(/0+$/, ''));
    },
    retainMs,
    clock,
    log: pino({ level: 'silent' }),
  });
  return { clock, removed, retention };
}

describe('a sweep', () => {
  it('deletes what was not used for the time, counted from its last use', async () => {
    const { removed, retention } = setUp(
      [
        record('old'),
        record('used', { lastUsedAt: new Date(START - DAY_MS).toISOString() }),
        record('busy'),
        record('spare', { tenant: null, name: null }),
        record('host', { store: 'host', hostPath: '/srv/project' }),
      ],
      2 * DAY_MS,
      ['busy'],
    );
    await retention.sweep();
    expect(removed).toEqual(['old']);
  });

  it('deletes nothing where workspaces are kept for ever, but what was to be deleted already', async () => {
    const { removed, retention } = setUp([record('old'), record('trash', { trashedAt: new Date(START).toISOString() })], null);
    await retention.sweep();
    expect(removed).toEqual(['trash']);
  });

  it('goes on when one can not be deleted', async () => {
    const { removed, retention } = setUp([record('stuck'), record('old')], DAY_MS);
    await retention.sweep();
    expect(removed).toEqual(['old']);
  });

  it('comes again by itself, until it is stopped', async () => {
    const records = [record('young', { createdAt: new Date(START).toISOString() })];
    const { clock, removed, retention } = setUp(records, 4000);
    retention.start();
    await clock.advance(3000);
    expect(removed).toEqual([]);
    await clock.advance(2000);
    expect(removed.length).toBeGreaterThan(0);
    const count = removed.length;
    await retention.stop();
    await clock.advance(60_000);
    expect(removed.length).toBe(count);
  });
});
