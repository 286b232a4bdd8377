import { afterEach, beforeEach, expect, test } from 'vitest';
import { recordInterrupted } from '../../../daemon/egress-interrupted.ts';
import type { AuditLog } from '../../../daemon/observe/audit-log.ts';
import { createLog } from '../../../daemon/observe/log.ts';
import { AuditHarness } from '../../support/audit-harness.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const HOUR_MS = 3_600_000;
const log = createLog({ level: 'fatal', destination: process.stderr });

let here: AuditHarness;
beforeEach(() => {
  here = new AuditHarness();
});
afterEach(() => here[Symbol.dispose]());

const start = (audit: AuditLog, attempt: string): string => {
  const startedAt = new Date(here.clock.now()).toISOString();
  audit.append({
    kind: 'egress.start',
    tenant: 'acme',
    session: 's',
    sandboxId: 'sb_1',
    attempt,
    startedAt,
    host: 'a.test',
    port: 443,
    rule: 'r',
    daemonVersion: 'before',
  });
  return startedAt;
};
const decided = (audit: AuditLog, attempt: string, startedAt: string): void =>
  audit.append({ kind: 'egress.decision', sandboxId: 'sb_1', attempt, startedAt, verdict: 'allow', reason: 'allowed' });
const interrupted = (): readonly Record<string, unknown>[] =>
  here
    .lines()
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ reason }) => reason === 'interrupted');
/** The daemon of now is gone without a word, and the next one comes, sooner or later. */
const afterCrash = async (audit: AuditLog, laterMs = 0): Promise<AuditLog> => {
  await audit.commit();
  const next = await here.open({ clock: new FakeClock(here.clock.now() + laterMs) });
  await recordInterrupted({ audit: next, log, lifetimeMs: 2 * HOUR_MS });
  return next;
};

test('what was open when the daemon was killed is told of once, as what it was, and nothing else is', async () => {
  const first = await here.open();
  decided(first, '1-1', start(first, '1-1'));
  const startedAt = start(first, '1-2');
  await here.clock.advance(5000);
  first.append({ kind: 'exec.end' });
  const second = await afterCrash(first);
  expect(interrupted()).toMatchObject([
    {
      kind: 'egress.decision',
      tenant: 'acme',
      session: 's',
      sandboxId: 'sb_1',
      attempt: '1-2',
      startedAt,
      host: 'a.test',
      port: 443,
      verdict: 'allow',
      rule: 'r',
      bytesUp: 0,
      bytesDown: 0,
      ms: 5000,
    },
  ]);
  expect(interrupted()[0]).not.toHaveProperty('daemonVersion');
  // The next daemon's numbers begin anew: another attempt of the same name is another one.
  await here.clock.advance(1000);
  start(second, '1-2');
  await afterCrash(second);
  expect(interrupted()).toHaveLength(2);
  expect(await here.verify()).toMatchObject({ verdict: 'holds' });
});

test('a long time later it is still told of; what is older than a connection may last is not looked for', async () => {
  const first = await here.open({ rotateBytes: 2048 });
  start(first, '1-1');
  await here.clock.advance(4 * HOUR_MS);
  start(first, '1-2');
  await afterCrash(first, 1000 * HOUR_MS);
  expect(interrupted().map(({ attempt }) => attempt)).toEqual(['1-2']);
});

test('after an orderly stop nothing is read', async () => {
  const first = await here.open();
  start(first, '1-1');
  await first.close();
  const second = await here.open();
  await recordInterrupted({ audit: second, log, lifetimeMs: HOUR_MS });
  expect(interrupted()).toEqual([]);
});
