// The audit log tells whatever was done to it, and keeps what it was told.

import { appendFileSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hashOf } from '../../../daemon/observe/audit-record.ts';
import { pruneAuditLog } from '../../../daemon/observe/audit-retention.ts';
import { AuditHarness } from '../../support/audit-harness.ts';

let here: AuditHarness;
beforeEach(() => {
  here = new AuditHarness();
});
afterEach(() => here[Symbol.dispose]());
const head = () => join(here.directory, 'audit.jsonl.head');

/** Writes lines anew with hashes that fit, as someone would who knows how the chain is made. */
function rechained(lines: readonly string[]): string[] {
  let prev = '0'.repeat(64);
  return lines.map((line, index) => {
    const { hash: _hash, ...record } = JSON.parse(line) as Record<string, unknown>;
    const text = JSON.stringify({ ...record, seq: index + 1, prev });
    prev = hashOf(text);
    return `${text.slice(0, -1)},"hash":"${prev}"}`;
  });
}

describe('a log that nobody touched holds', () => {
  test('over several openings', async () => {
    await here.write(['a', 'b']);
    await here.write(['c']);
    expect(await here.verify()).toEqual({ verdict: 'holds', records: 3, pruned: 0, seq: 3, head: 3 });
  });

  test('over several files', async () => {
    await here.write(
      Array.from({ length: 20 }, () => 'a'),
      { rotateBytes: 1500 },
    );
    await here.write(['b'], { rotateBytes: 1500 });
    expect(here.files().length).toBeGreaterThan(4);
    expect(await here.verify()).toMatchObject({ verdict: 'holds', records: 21, head: 21 });
  });

  test('with a last line that a crash has torn, which the next daemon cuts off', async () => {
    await here.write(['a', 'b']);
    appendFileSync(here.path, '{"seq":3,"at":"20');
    expect(await here.verify()).toMatchObject({ verdict: 'holds', records: 2 });
    await here.write(['c']);
    expect(await here.verify()).toMatchObject({ verdict: 'holds', records: 3 });
  });

  test('with records after its head, which a killed daemon leaves', async () => {
    const log = await here.open();
    log.append({ kind: 'exec.start' });
    await log.commit();
    log.append({ kind: 'exec.end' });
    expect(await here.verify()).toMatchObject({ verdict: 'holds', records: 2, head: 1 });
    await log.close();
  });
});

describe('is found out:', () => {
  const FIVE = ['a', 'b', 'c', 'd', 'e'];
  test.each<[string, () => void, string]>([
    [
      'a record that was edited',
      () => here.put(here.lines().map((line, index) => (index === 2 ? line.replace('"c"', '"x"') : line))),
      'line 3: its content was changed',
    ],
    [
      'a record that was edited and its hash made to fit',
      () => here.put(here.lines().map((line, index) => (index === 2 ? rechainedAlone(line.replace('"c"', '"x"')) : line))),
      'line 4: it does not follow the line before',
    ],
    ['a record that was removed', () => here.put(here.lines().filter((_, index) => index !== 2)), 'line 3: its number is 4, expected 3'],
    [
      'two records that changed places',
      () => here.put([0, 1, 3, 2, 4].map((index) => here.lines()[index] ?? '')),
      'line 3: its number is 4, expected 3',
    ],
    [
      'a record that was put in twice',
      () => here.put([0, 1, 1, 2, 3, 4].map((index) => here.lines()[index] ?? '')),
      'line 3: its number is 2, expected 3',
    ],
    [
      'a tail that was cut off',
      () => here.put(here.lines().slice(0, 3)),
      'the log ends at record 3, its signed head says 5: the tail is missing',
    ],
    [
      'a log that was written anew with hashes that fit',
      () => here.put(rechained(here.lines().map((line, index) => (index === 2 ? line.replace('"c"', '"x"') : line)))),
      'record 5 is not the one its signed head names',
    ],
    ['a beginning that was removed', () => here.put(here.lines().slice(2)), 'line 1: its number is 3, expected 1'],
    ['a log that was removed', () => unlinkSync(here.path), 'the log ends at record 0, its signed head says 5: the tail is missing'],
    ['a head that was removed with the tail', () => (here.put(here.lines().slice(0, 3)), unlinkSync(head())), 'the signed head is missing'],
    [
      'a head that someone else has signed',
      () => writeFileSync(head(), readFileSync(head(), 'utf8').replaceAll('"seq":5', '"seq":3')),
      'line 1: its signature is not of this daemon',
    ],
    [
      'a stub that someone else has signed',
      () => {
        const [first, ...rest] = here.lines();
        const { prev, hash } = JSON.parse(first ?? '') as { prev: string; hash: string };
        here.put([
          JSON.stringify({ pruned: { from: 1, to: 1 }, at: '2020-01-01T00:00:00Z', prev, last: hash, signature: 'AAAA' }),
          ...rest,
        ]);
      },
      'line 1: its signature is not of this daemon',
    ],
    [
      'a field that was put in twice',
      () => here.put(here.lines().map((line, index) => (index === 2 ? line.replace('"kind":"c"', '"kind":"c","kind":"x"') : line))),
      'line 3: its content was changed',
    ],
  ])('%s', async (_, tamper, reason) => {
    await here.write(FIVE);
    tamper();
    const result = await here.verify();
    expect(result.verdict === 'broken' && (reason.startsWith('line') ? `line ${result.line}: ${result.reason}` : result.reason)).toBe(
      reason,
    );
  });

  test('a file of several that was removed, and one that lost its end', async () => {
    await here.write(
      Array.from({ length: 20 }, () => 'a'),
      { rotateBytes: 1500 },
    );
    const [, , middle = ''] = here.files().filter((name) => /\d{12}$/.test(name));
    const lines = here.lines(middle);
    here.put(lines.slice(0, -1), middle);
    expect(await here.verify()).toMatchObject({ verdict: 'broken', reason: expect.stringContaining('expected') as string });
    rmSync(join(here.directory, middle));
    expect(await here.verify()).toMatchObject({ verdict: 'broken', reason: expect.stringContaining('expected') as string });
  });

  test('and the daemon does not go on with a log whose tail is gone, because that would cover it up', async () => {
    await here.write(FIVE);
    here.put(here.lines().slice(0, 3));
    await expect(here.open()).rejects.toMatchObject({ message: expect.stringContaining('it ends at record 3, its head says 5') as string });
    here.keys.privateKey = generateKeyPairSync('ed25519').privateKey;
  });
});

function rechainedAlone(line: string): string {
  const { hash: _hash, ...record } = JSON.parse(line) as Record<string, unknown>;
  const text = JSON.stringify(record);
  return `${text.slice(0, -1)},"hash":"${hashOf(text)}"}`;
}

describe('retention', () => {
  const DAY = 24 * 3_600_000;
  const retainDays = { denial: 90, approval: 180, other: 30 };
  const prune = async () => {
    const entries = await pruneAuditLog({ path: here.path, retainDays, privateKey: here.keys.privateKey, nowMs: here.clock.now() });
    const log = await here.open({ rotateBytes: 1500 });
    for (const entry of entries) log.append(entry);
    await log.close();
  };

  test('forgets each class in its time, and what is left holds', async () => {
    const log = await here.open({ rotateBytes: 1000 });
    for (let turn = 0; turn < 6; turn += 1) {
      log.append({ kind: 'exec.start', turn });
      log.append({ kind: 'denied', turn });
      log.append({ kind: 'confirm.answer', turn });
      log.append({ kind: 'egress.decision', verdict: 'deny', turn });
    }
    await log.close();
    const kinds = () =>
      here
        .files()
        .filter((name) => !name.endsWith('.head'))
        .flatMap((name) => here.lines(name))
        .map((line) => (JSON.parse(line) as { kind?: string }).kind);
    const closed = () =>
      here
        .files()
        .filter((name) => /\d{12}$/.test(name))
        .flatMap((name) => here.lines(name))
        .map((line) => (JSON.parse(line) as { kind?: string }).kind ?? 'stub');
    const all = kinds().length;
    await here.clock.advance(31 * DAY);
    await prune();
    await prune();
    expect(new Set(closed())).toEqual(new Set(['stub', 'denied', 'confirm.answer', 'egress.decision', 'audit.prune']));
    expect(await here.verify()).toMatchObject({ verdict: 'holds' });
    await here.clock.advance(61 * DAY);
    await prune();
    await prune();
    expect(new Set(closed().filter((kind) => kind !== 'audit.prune'))).toEqual(new Set(['stub', 'confirm.answer']));
    const result = await here.verify();
    expect(result).toMatchObject({ verdict: 'holds' });
    expect(result.verdict === 'holds' && result.records + result.pruned).toBeGreaterThan(all);
    await here.clock.advance(365 * DAY);
    await prune();
    await prune();
    expect(await here.verify()).toMatchObject({ verdict: 'holds' });
  });

  test('does not make room for anyone to remove what it left', async () => {
    await here.write(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 'exec.start' : 'denied')),
      { rotateBytes: 1500 },
    );
    await here.clock.advance(31 * DAY);
    await prune();
    const [name = ''] = here.files().filter((file) => /\d{12}$/.test(file));
    here.put(
      here.lines(name).filter((line) => !line.includes('"denied"')),
      name,
    );
    expect(await here.verify()).toMatchObject({ verdict: 'broken', line: 2 });
  });
});

describe('a record', () => {
  test('is completed with what is known of its sandbox, and keeps what it says itself', async () => {
    const log = await here.open({ identify: (id) => ({ tenant: 'acme', profile: 'readonly', image: `sha256:${id}` }) });
    log.append({ kind: 'exec.start', sandboxId: 'sb_1', profile: 'own' });
    log.append({ kind: 'daemon.start' });
    await log.close();
    expect(here.lines().map((line) => JSON.parse(line) as object)).toMatchObject([
      { tenant: 'acme', profile: 'own', image: 'sha256:sb_1' },
      { seq: 2 },
    ]);
    expect(here.lines()[1]).not.toContain('acme');
  });

  test('holds no credential of a well-known form', async () => {
    const log = await here.open();
    const token = `ghp_${'a1B2'.repeat(9)}`;
    log.append({ kind: 'denied', message: `git clone https://me:hunter22@host/x with ${token}` });
    await log.close();
    expect(here.lines()[0]).toContain('https://me:[redacted:urlPassword]@host/x with [redacted:gitToken]');
    expect(await here.verify()).toMatchObject({ verdict: 'holds' });
  });

  test('that is too long for a line is shortened and says so', async () => {
    const log = await here.open();
    log.append({ kind: 'exec.start', command: 'x'.repeat(300_000), tenant: 'acme' });
    await log.close();
    expect(JSON.parse(here.lines()[0] ?? '')).toMatchObject({ kind: 'exec.start', tenant: 'acme', shortened: ['command'] });
  });
});
