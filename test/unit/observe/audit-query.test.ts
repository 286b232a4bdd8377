// What is asked of the audit log comes, in order and once, however long it grows meanwhile.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { auditRoutes } from '../../../daemon/admin/routes-audit.ts';
import type { Principal } from '../../../daemon/auth/principal.ts';
import type { AuditLog } from '../../../daemon/observe/audit-log.ts';
import { principal, refusal } from '../../support/fake-sandbox.ts';
import { AuditHarness } from '../../support/audit-harness.ts';

let here: AuditHarness;
let log: AuditLog;
beforeEach(async () => {
  here = new AuditHarness();
  log = await here.open({ rotateBytes: 1500 });
});
afterEach(async () => {
  await log.close();
  here[Symbol.dispose]();
});

function ask(
  query: string,
  who: Principal = { ...principal({ role: 'operator', tenant: null }), expiresAt: Number.MAX_SAFE_INTEGER },
  signal = new AbortController().signal,
) {
  const [route] = auditRoutes({ audit: log, clock: here.clock });
  const answer = route?.handle({
    principal: who,
    id: '',
    query: new URLSearchParams(query),
    body: () => Promise.reject(new Error('none')),
  });
  if (answer === undefined || !('stream' in answer)) throw new Error('no stream');
  return answer.stream(signal);
}
async function turns(query: string, who?: Principal): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const line of ask(query, who)) found.push((JSON.parse(line) as { turn?: number }).turn);
  return found;
}
const tenant = (name: string, more: object = {}): Principal => ({
  ...principal({ tenant: name }),
  expiresAt: Number.MAX_SAFE_INTEGER,
  ...more,
});

describe('a query', () => {
  beforeEach(async () => {
    for (let turn = 0; turn < 30; turn += 1) {
      const of = turn % 3 === 0 ? 'acme' : 'globex';
      log.append({
        kind: turn % 2 === 0 ? 'exec.start' : 'exec.end',
        tenant: of,
        session: `s${turn % 5}`,
        execId: `e${turn}`,
        labels: { channel: turn < 20 ? 'stable' : 'canary' },
        turn,
      });
      await here.clock.advance(60_000);
    }
    log.append({ kind: 'daemon.stop', turn: 'own' });
  });
  const all = Array.from({ length: 30 }, (_, turn) => turn);

  test.each<[string, unknown[]]>([
    ['', [...all, 'own']],
    ['tenant=acme', all.filter((turn) => turn % 3 === 0)],
    ['tenant=acme&session=s0', [0, 15]],
    ['call=e7', [7]],
    ['kind=exec.start,daemon.*', [...all.filter((turn) => turn % 2 === 0), 'own']],
    ['label=channel=canary&kind=exec.end', [21, 23, 25, 27, 29]],
    ['since=5m', [25, 26, 27, 28, 29, 'own']],
    ['limit=2', [0, 1]],
  ])('for %s', async (query, due) => {
    expect(await turns(query)).toEqual(due);
  });

  test("of a tenant finds its own, whatever it asks for, and an observer its tenant's", async () => {
    const own = all.filter((turn) => turn % 3 === 0);
    expect(await turns('', tenant('acme'))).toEqual(own);
    expect(await turns('tenant=globex', tenant('acme'))).toEqual([]);
    expect(await turns('', tenant('acme', { role: 'observer' }))).toEqual(own);
    expect(await turns('', tenant('acme', { session: 's0' }))).toEqual([0, 15]);
    expect(await turns('', tenant('acme', { sessions: 's1*' }))).toEqual([6, 21]);
    expect(await turns('limit=1', tenant('globex'))).toEqual([1]);
  });

  test.each(['since=yesterday', 'limit=0', 'nonsense=1', 'label=x'])('with %s is refused', async (query) => {
    expect(await refusal(() => ask(query))).toMatch(/^INVALID_REQUEST/);
  });
});

test('a follower gets every record once, over files that end while it reads, until its token expires', async () => {
  const stop = new AbortController();
  const found: number[] = [];
  const following = (async () => {
    for await (const line of ask('follow=1&kind=exec.start', undefined, stop.signal))
      found.push((JSON.parse(line) as { turn: number }).turn);
  })();
  for (let turn = 0; turn < 60; turn += 1) {
    log.append({ kind: 'exec.start', turn });
    if (turn % 7 === 0) await sleep(1);
  }
  while (found.length < 60) await sleep(5);
  stop.abort();
  await following;
  expect(found).toEqual(Array.from({ length: 60 }, (_, turn) => turn));
  expect(here.files().length).toBeGreaterThan(5);
});
