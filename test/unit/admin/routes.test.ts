// Plain HTTP: who may read what.

import type { IncomingMessage } from 'node:http';
import { beforeEach, describe, expect, test } from 'vitest';
import { Routes } from '../../../daemon/admin/routes.ts';
import type { Principal } from '../../../daemon/auth/principal.ts';
import { openRequest, poolHarness, principal, refusal, type PoolHarness } from '../../support/fake-sandbox.ts';

let harness: PoolHarness;
let routes: Routes;
let problems: string[];
let id: string;
beforeEach(async () => {
  harness = poolHarness();
  problems = [];
  routes = new Routes({ pool: harness.pool, version: 'test', notReady: async () => problems });
  ({ id } = await harness.pool.open(openRequest('s'), principal(), 'one'));
});
const get = (url: string, who: Principal | null, method = 'GET') => routes.answer({ url, method } as IncomingMessage, who);

describe('is refused', () => {
  test.each<[string, string, Principal | null, string, string]>([
    ['everything but liveness without a token', '/readyz', null, 'GET', 'UNAUTHENTICATED: no token was sent'],
    ['a list without a token', '/v1/sandboxes', null, 'GET', 'UNAUTHENTICATED: no token was sent'],
    ["an unknown path without a token: what exists is nobody's business", '/v1/secret', null, 'GET', 'UNAUTHENTICATED: no token was sent'],
    ['anything that is not reading', '/v1/sandboxes', principal(), 'POST', 'INVALID_REQUEST: only GET is served here'],
    ['an unknown path', '/v1/other', principal(), 'GET', 'NOT_FOUND: there is no such route'],
    ['a sandbox id that is none', '/v1/sandboxes/../x', principal(), 'GET', 'NOT_FOUND: there is no such route'],
  ])('%s', async (_, url, who, method, why) => {
    expect(await refusal(get(url, who, method))).toBe(why);
  });

  test("another tenant's sandbox, as if it did not exist", async () => {
    expect(await refusal(get(`/v1/sandboxes/${id}`, principal({ tenant: 'globex' })))).toBe('NOT_FOUND: there is none of this id');
    expect(await get('/v1/sandboxes', principal({ tenant: 'globex' }))).toEqual({ status: 200, body: { sandboxes: [] } });
  });
});

test('liveness needs no token and says no more than that', async () => {
  expect(await get('/healthz?x', null)).toEqual({ status: 200, body: { status: 'live', version: 'test' } });
});

test('readiness names what is not ready, a daemon that stops included', async () => {
  expect(await get('/readyz', principal())).toMatchObject({ status: 200, body: { status: 'ready' } });
  problems = ['the engine does not answer'];
  expect(await get('/readyz', principal())).toMatchObject({ status: 503, body: { problems } });
  problems = [];
  await harness.pool.drain('close', 0);
  expect(await get('/readyz', principal())).toMatchObject({ status: 503, body: { problems: ['the daemon is stopping'] } });
});

test('a sandbox is shown to its tenant, to an observer of it and to an operator', async () => {
  for (const who of [principal(), principal({ role: 'observer' }), principal({ role: 'operator', tenant: null })]) {
    expect(await get(`/v1/sandboxes/${id}`, who)).toMatchObject({ status: 200, body: { id, session: 's', state: 'running' } });
  }
});
