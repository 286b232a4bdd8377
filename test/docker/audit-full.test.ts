// A full disk under the audit log: a file system of its own that is really full.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { verifyAuditLog } from '../../daemon/observe/audit-verify.ts';
import { refusal } from '../support/fake-sandbox.ts';
import { AuditHarness } from '../support/audit-harness.ts';

const MIB = 1024 * 1024;
let here: AuditHarness;
let directory: string;
let path: string;
beforeEach(() => {
  here = new AuditHarness();
  directory = mkdtempSync(join(tmpdir(), 'cl-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]);
  mkdirSync(join(directory, 'log'));
  path = join(directory, 'log', 'audit.jsonl');
});
afterEach(() => {
  execFileSync('umount', [directory]);
  rmSync(directory, { recursive: true });
  here[Symbol.dispose]();
});
const ballast = () => join(directory, 'ballast');
function fill(): void {
  for (let size = MIB; size >= 64; size = Math.floor(size / 2)) {
    try {
      for (;;) writeFileSync(ballast(), Buffer.alloc(size), { flag: 'a' });
    } catch {
      // Less fits.
    }
  }
}

test('nothing starts without its record; what is over waits for room, in its order, and the chain holds', async () => {
  const log = await here.open({ path });
  log.append({ kind: 'exec.start', turn: 1 });
  fill();
  let refused = 0;
  for (let turn = 0; turn < 100; turn += 1) {
    const outcome = await refusal(() => log.append({ kind: 'exec.start', detail: 'x'.repeat(200), turn }));
    if (outcome !== 'no error') refused += 1;
    expect(['no error', "CAPACITY: the audit log can't be written (ENOSPC)"]).toContain(outcome);
  }
  expect(refused).toBeGreaterThan(50);
  for (let turn = 0; turn < 20; turn += 1) log.append({ kind: 'exec.end', detail: 'y'.repeat(200), ended: turn }, 'over');
  rmSync(ballast());
  log.append({ kind: 'exec.start', turn: 'after' });
  await log.close();
  expect(await verifyAuditLog(path, here.keys.publicKey)).toMatchObject({ verdict: 'holds' });
  const records = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { ended?: number; turn?: unknown });
  expect(records.map(({ ended }) => ended).filter((ended) => ended !== undefined)).toEqual(Array.from({ length: 20 }, (_, turn) => turn));
  expect(records.at(-1)?.turn).toBe('after');
});

test('an operator may choose to go on: what is lost is counted, and the count is on record', async () => {
  const log = await here.open({ path, onFull: 'count' });
  fill();
  for (let turn = 0; turn < 100; turn += 1) log.append({ kind: 'exec.start', detail: 'x'.repeat(4000) });
  expect(here.errors.length).toBeGreaterThan(50);
  rmSync(ballast());
  log.append({ kind: 'exec.end' });
  await log.close();
  const lost = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string; records?: number })
    .find(({ kind }) => kind === 'audit.dropped');
  expect(lost?.records).toBeGreaterThan(50);
});
