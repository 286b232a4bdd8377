// A record's writes keep their order, and a record that was removed stays removed.

import { expect, test } from 'vitest';
import { KeptRecord } from '../../../daemon/session/kept-record.ts';
import type { SandboxRecord, SandboxRecords } from '../../../daemon/session/sandbox-record.ts';
import { settled } from '../../support/fake-clock.ts';

/** A disk on which each write waits until it is let through. */
function slowDisk() {
  const done: string[] = [];
  const waiting: (() => void)[] = [];
  let isFull = false;
  const write = async (what: string): Promise<void> => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    if (isFull) throw new Error('ENOSPC');
    done.push(what);
  };
  const records = { save: ({ idleMs }: SandboxRecord) => write(`saved ${idleMs}`), remove: () => write('removed') };
  const kept = new KeptRecord(records as unknown as SandboxRecords, { id: 'sb_1', idleMs: 0 } as unknown as SandboxRecord);
  const letThrough = async (): Promise<void> => {
    await settled();
    waiting.shift()?.();
    await settled();
  };
  return { kept, done, letThrough, fill: (full: boolean) => (isFull = full) };
}

test('an older state never replaces a newer one', async () => {
  const { kept, done, letThrough } = slowDisk();
  const saves = [kept.save({ idleMs: 1 }), kept.save({ idleMs: 2 })];
  await letThrough();
  await letThrough();
  await Promise.all(saves);
  expect(done.at(-1)).toBe('saved 2');
  expect(kept.current.idleMs).toBe(2);
});

test('a write under way ends before the removal, and none comes after it', async () => {
  const { kept, done, letThrough } = slowDisk();
  const before = kept.save({ idleMs: 1 });
  await settled();
  const removal = kept.remove();
  const late = kept.save({ idleMs: 2 });
  await letThrough();
  await letThrough();
  await Promise.all([before, removal, late]);
  expect(done).toEqual(['saved 1', 'removed']);
});

test('a write that fails is told to whoever asked, and the next one is tried', async () => {
  const { kept, done, letThrough, fill } = slowDisk();
  fill(true);
  const failing = kept.save({ idleMs: 1 });
  const failure = failing.catch(String);
  await letThrough();
  expect(await failure).toBe('Error: ENOSPC');
  fill(false);
  const next = kept.save({ idleMs: 2 });
  await letThrough();
  await next;
  expect(done).toEqual(['saved 2']);
});
