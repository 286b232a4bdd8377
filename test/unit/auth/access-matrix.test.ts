// Two tenants, every kind of token, every role in a session, every operation and every route: no cell untested.

import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OPERATIONS, type Operation } from '../../../client/protocol/requests.ts';
import { Routes } from '../../../daemon/admin/routes.ts';
import { type LiveRoutesOptions, liveRoutes } from '../../../daemon/admin/routes-live.ts';
import { metricsRoutes } from '../../../daemon/admin/routes-metrics.ts';
import { KeyRing } from '../../../daemon/auth/key-ring.ts';
import type { Principal } from '../../../daemon/auth/principal.ts';
import { openRoutes } from '../../../daemon/open-routes.ts';
import { RevocationList } from '../../../daemon/auth/revocation.ts';
import type { AuditLog } from '../../../daemon/observe/audit-log.ts';
import type { Metrics } from '../../../daemon/observe/metrics.ts';
import { principal, refusal } from '../../support/fake-sandbox.ts';
import { gate, type Client, type Gate } from '../gateway/wire.ts';
import { AuditHarness } from '../../support/audit-harness.ts';
import { OPERATION_ROWS, ROUTE_ROWS, type OperationRow } from './access-rows.ts';

const TOKENS: readonly (readonly [string, Principal])[] = [
  ["a tenant's token", principal()],
  ["a tenant's read-only token", principal({ isReadOnly: true })],
  ["a tenant's observer token", principal({ role: 'observer' })],
  ["a tenant's token for this session", principal({ session: 's' })],
  ["a tenant's token for another session", principal({ session: 'other' })],
  ["a tenant's token for sessions like this one", { ...principal(), sessions: 's*' }],
  ["a tenant's token for sessions unlike this one", { ...principal(), sessions: 'build-*' }],
  ['an operator of all', principal({ role: 'operator', tenant: null })],
  ['an operator that only reads', principal({ role: 'operator', tenant: null, isReadOnly: true })],
  ["another tenant's token", principal({ tenant: 'globex' })],
  ["another tenant's read-only token", principal({ tenant: 'globex', isReadOnly: true })],
  ["another tenant's observer token", principal({ tenant: 'globex', role: 'observer' })],
  ["another tenant's token for a session of this name", principal({ tenant: 'globex', session: 's' })],
];
const JOINED = ['controller', 'participant', 'observer', 'nobody'] as const;
type Joined = (typeof JOINED)[number];

const isOperator = (who: Principal): boolean => who.role === 'operator';
const sees = (who: Principal): boolean =>
  (isOperator(who) || who.tenant === 'acme') && (who.session ?? 's') === 's' && (who.sessions === undefined || who.sessions === 's*');

/** Whether this token can come to be in this place at all. */
function mayJoin(who: Principal, joined: Joined): boolean {
  if (joined === 'nobody') return true;
  if (!sees(who)) return false;
  if (who.role === 'observer') return joined === 'observer';
  return !who.isReadOnly || joined !== 'controller';
}

/** What the answer must be, stated from the rows alone. */
function expected(row: OperationRow, who: Principal, joined: Joined): string {
  if (row.operatorsOnly === true && !isOperator(who)) return 'FORBIDDEN';
  if (who.role === 'observer' && row.observer !== true) return 'FORBIDDEN';
  if (who.role !== 'observer' && who.isReadOnly && row.reading !== true) return 'FORBIDDEN';
  const need = isOperator(who) ? (row.operatorNeed ?? row.need) : row.need;
  if (need === null) return 'let in';
  if (!sees(who)) return 'NOT_FOUND';
  if (joined === 'controller') return 'let in';
  if (need !== 'control' && joined === 'participant') return 'let in';
  if (need === 'watch' && joined === 'observer') return 'let in';
  if (need !== 'work' && isOperator(who)) return 'let in';
  if (joined !== 'nobody') return 'FORBIDDEN';
  return need === 'control' ? 'SESSION_BUSY' : 'INVALID_REQUEST: this connection has not opened it';
}

/** What came: whether it was let in, not what it found there. */
function found(outcome: string): string {
  const [code = ''] = outcome.split(':');
  if (outcome === 'INVALID_REQUEST: this connection has not opened it') return outcome;
  if (outcome === 'NOT_FOUND: there is none of this id' || code === 'FORBIDDEN' || code === 'UNAUTHENTICATED') return code;
  return outcome === 'SESSION_BUSY: another connection holds it' ? code : 'let in';
}

async function place(here: Gate, who: Principal, joined: Joined): Promise<{ client: Client; id: string }> {
  const maker = await here.greet(joined === 'controller' && !isOperator(who) ? who : principal());
  const { id } = await maker.call('open', { session: 's' });
  if (joined === 'controller' && !isOperator(who)) return { client: maker, id: String(id) };
  const client = await here.greet(who);
  if (joined !== 'nobody')
    await client.call('open', {
      session: 's',
      role: joined,
      ...(isOperator(who) ? { tenant: 'acme' } : {}),
      ...(joined === 'controller' ? { takeover: true } : {}),
    });
  return { client, id: String(id) };
}

test('every operation has its row, and every row its operation', () => {
  expect(Object.keys(OPERATION_ROWS).sort()).toEqual(Object.keys(OPERATIONS).sort());
});

describe.each(TOKENS)('%s', (_, who) => {
  test.each(JOINED.filter((joined) => mayJoin(who, joined)))('as %s calls what it may and nothing else', async (joined) => {
    const came: Record<string, string> = {};
    const due: Record<string, string> = {};
    for (const op of Object.keys(OPERATIONS) as Operation[]) {
      const row = OPERATION_ROWS[op];
      if (row === undefined || op === 'hello' || op === 'open') continue;
      const here = gate();
      const { client, id } = await place(here, who, joined);
      const params = { ...(row.need === null ? {} : { sandbox: id }), ...row.params };
      const parsed = OPERATIONS[op].params.safeParse(params);
      expect(parsed.success, `the row of ${op} has no valid parameters: ${parsed.error?.message ?? ''}`).toBe(true);
      came[op] = found(await client.outcome(op, params));
      due[op] = expected(row, who, joined);
    }
    expect(came).toEqual(due);
  });

  test.each(['controller', 'participant', 'observer'] as const)('opens as %s where it may', async (role) => {
    const here = gate();
    const owner = await here.greet(principal());
    await owner.call('open', { session: 's' });
    const client = await here.greet(who);
    const params = { session: 's', role, ...(isOperator(who) ? { tenant: 'acme' } : {}) };
    const outcome = await client.outcome('open', params);
    const isForbidden = who.role === 'observer' ? role !== 'observer' : who.isReadOnly && role === 'controller';
    // Another tenant's session of this name is its own, and not open.
    const isOwnWorld = !isOperator(who) && who.tenant !== 'acme';
    if (isForbidden) expect(outcome).toMatch(/^FORBIDDEN/);
    else if ((who.session ?? 's') !== 's' || (who.sessions ?? 's*') !== 's*')
      expect(outcome).toMatch(/^FORBIDDEN: the token is for another session/);
    else if (role === 'controller') expect(outcome).toBe(isOwnWorld ? 'no error' : 'SESSION_BUSY: another connection holds it');
    else expect(outcome).toBe(isOwnWorld ? 'NOT_FOUND: it is not open' : 'no error');
  });
});

describe('over HTTP', () => {
  let directory: string;
  let audit: AuditLog;
  const audits = new AuditHarness();
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cl-matrix-'));
    audit = await audits.open();
  });
  afterAll(async () => {
    await audit.close();
    audits[Symbol.dispose]();
    await rm(directory, { recursive: true });
  });

  async function open(): Promise<{ routes: Routes; id: string }> {
    const here = gate();
    const owner = await here.greet(principal());
    const { id } = await owner.call('open', { session: 's' });
    const { clock } = here;
    const keys = await KeyRing.open(join(directory, 'key.pem'));
    // Whoever gets as far as these is let in; what they say then is not the question here.
    const recorded = { sandboxId: String(id), tenant: 'acme', session: 's', startedAt: '', bytes: 0, isLive: true };
    const operated = {
      recordings: { list: () => [recorded], read: () => [] },
      confirmations: { list: () => [], answer: () => true },
      configuration: { print: () => ({}), reload: () => ({}), revert: () => ({}) },
    };
    const sampler = { look: () => undefined, points: () => [], history: [], sampledAtMs: 0 };
    const live = liveRoutes({
      ...({ sampler, examine: async () => ({}) } as unknown as Pick<LiveRoutesOptions, 'sampler' | 'examine'>),
      pool: here.pool,
      spares: () => ({ free: 0, wanted: 0 }),
      maxSessions: 1,
      version: 'test',
      facts: {},
      clock,
    });
    const metrics = { text: async () => '', registry: { contentType: 'text/plain' } } as unknown as Metrics;
    const operating = openRoutes({
      ...(operated as unknown as Pick<Parameters<typeof openRoutes>[0], 'confirmations' | 'configuration' | 'recordings'>),
      keys,
      revoked: new RevocationList(join(directory, 'revoked.json')),
      audit,
      clock,
      onRevoked: () => undefined,
    });
    const more = [...operating, ...live, ...metricsRoutes({ metrics })];
    return { routes: new Routes({ pool: here.pool, version: 'test', notReady: async () => [], more }), id: String(id) };
  }

  test('every route has its row, and every row its route', async () => {
    const { routes } = await open();
    expect(routes.table.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(Object.keys(ROUTE_ROWS).sort());
  });

  test.each([['nobody', null] as const, ...TOKENS])('%s reaches what it may and nothing else', async (_, who) => {
    const { routes, id } = await open();
    const came: Record<string, string> = {};
    const due: Record<string, string> = {};
    for (const [name, row] of Object.entries(ROUTE_ROWS)) {
      const [method = '', path = ''] = name.split(' ');
      for (const own of row.who === 'own' ? [true, false] : [false]) {
        const url = path.replace(':id', row.who === 'seen' ? id : own ? (who?.tokenId ?? 'x') : 'another-token');
        const request = Object.assign(Readable.from(row.body === undefined ? [] : [Buffer.from(JSON.stringify(row.body))]), {
          url,
          method,
        });
        const outcome = await refusal(routes.answer(request as unknown as IncomingMessage, who));
        const cell = `${name}${own ? ' own' : ''}`;
        came[cell] = /^(UNAUTHENTICATED|FORBIDDEN|NOT_FOUND(?=: there is none of this id))/.exec(outcome)?.[0] ?? 'let in';
        due[cell] =
          who === null
            ? 'UNAUTHENTICATED'
            : (row.who === 'operator' || (row.who === 'own' && !own)) && (!isOperator(who) || who.isReadOnly)
              ? 'FORBIDDEN'
              : row.who === 'anyOperator' && !isOperator(who)
                ? 'FORBIDDEN'
                : row.who === 'seen' && !sees(who)
                  ? 'NOT_FOUND'
                  : 'let in';
      }
    }
    expect(came).toEqual(due);
  });
});
