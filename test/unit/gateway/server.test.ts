// Who gets in: the right Host, the right Origin, a valid token; and who does not is on record, within bounds.

import { once } from 'node:events';
import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { SandboxError } from '../../../client/protocol/errors.ts';
import type { AuditEntry } from '../../../daemon/observe/audit-log.ts';
import { originRule, refuseOrigin } from '../../../daemon/gateway/origin.ts';
import { RefusalRecord } from '../../../daemon/gateway/refusal-record.ts';
import { Gateway } from '../../../daemon/gateway/server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { principal, silentLog } from '../../support/fake-sandbox.ts';

describe('origins', () => {
  const rule = originRule('127.0.0.1', 7070, ['https://console.example', 'http://dev.example:8080']);
  const HOST = 'the Host header does not name this daemon';
  const ORIGIN = 'the Origin header is not an allowed one';
  test.each<[string, string | undefined, string | undefined, string | null]>([
    ['a client that is no page', '127.0.0.1:7070', undefined, null],
    ['its own page', 'localhost:7070', 'http://localhost:7070', null],
    ['capital letters', 'LOCALHOST:7070', 'HTTP://LOCALHOST:7070', null],
    ['a configured page', '127.0.0.1:7070', 'https://console.example', null],
    ['a configured page behind its own name', 'console.example', 'https://console.example', null],
    ['a configured page without TLS, which anyone on its network could be', '127.0.0.1:7070', 'http://console.example', ORIGIN],
    ['another page', '127.0.0.1:7070', 'https://evil.example', ORIGIN],
    ['a page of another port', '127.0.0.1:7070', 'http://127.0.0.1:8080', ORIGIN],
    ['a sandboxed frame', '127.0.0.1:7070', 'null', ORIGIN],
    ['a page whose name begins like ours', '127.0.0.1:7070', 'http://127.0.0.1:7070.evil.example', ORIGIN],
    ['a rebound name', 'evil.example:7070', undefined, HOST],
    ['our name with another port', '127.0.0.1:80', undefined, HOST],
    ['no Host', undefined, undefined, HOST],
  ])('%s', (_, host, origin, why) => {
    expect(refuseOrigin(rule, host, origin)).toBe(why);
  });

  test('port 80 is reached without naming it, a name with capitals under its own', () => {
    expect(refuseOrigin(originRule('Host.Example', 80, []), 'host.example', 'http://host.example')).toBeNull();
    expect(refuseOrigin(originRule('Host.Example', 7070, []), 'host.example:7070', undefined)).toBeNull();
  });
});

describe('a gateway', () => {
  const clock = new FakeClock();
  const refused: string[] = [];
  let gateway: Gateway;
  let port: number;
  beforeAll(async () => {
    gateway = new Gateway({
      host: '127.0.0.1',
      port: 0,
      origins: [],
      clock,
      log: silentLog,
      heartbeatMs: 15_000,
      maxConnections: 1,
      verify: async (token) => {
        if (token !== 'good') throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: the token is not valid here');
        return principal({ expiresAt: clock.now() + 1e9 });
      },
      route: async (_, who) => {
        if (who === null) throw new SandboxError('UNAUTHENTICATED', 'Cannot read: no token was sent');
        return { status: 200, body: { tenant: who.tenant } };
      },
      dispatch: async () => ({}),
      onDisconnected: () => undefined,
      onRefused: ({ code, message }) => refused.push(`${code} ${message.split(': ')[1]}`),
    });
    ({ port } = await gateway.listen());
  });
  afterAll(async () => {
    const closed = gateway.close();
    await clock.advance(3000);
    await closed;
  });
  beforeEach(() => {
    refused.length = 0;
  });

  const get = (headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve) => {
      request({ host: '127.0.0.1', port, path: '/x', headers, agent: false }, (response) => resolve(response.resume().statusCode)).end();
    });
  const dial = (headers: Record<string, string>, protocols = ['cloister.v1'], path = '/v1/ws') => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers });
    return new Promise<number | WebSocket>((resolve) => {
      socket.on('error', () => undefined);
      socket.on('open', () => resolve(socket));
      socket.on('unexpected-response', (_, response) => resolve(response.resume().statusCode ?? 0));
    });
  };

  test.each<[string, Record<string, string>, number, string[]]>([
    ['with a token', { authorization: 'Bearer good' }, 200, []],
    ['without one', {}, 401, ['UNAUTHENTICATED no token was sent']],
    ['with a wrong one', { authorization: 'Bearer bad' }, 401, ['UNAUTHENTICATED the token is not valid here']],
    [
      'of another page',
      { authorization: 'Bearer good', origin: 'https://evil.example' },
      403,
      ['FORBIDDEN the Origin header is not an allowed one'],
    ],
    [
      'under another name',
      { authorization: 'Bearer good', host: 'evil.example' },
      403,
      ['FORBIDDEN the Host header does not name this daemon'],
    ],
  ])('answers a request %s', async (_, headers, status, record) => {
    expect(await get(headers)).toBe(status);
    expect(refused).toEqual(record);
  });

  test.each<[string, Record<string, string>, string[], string, number, string[]]>([
    ['without a token', {}, ['cloister.v1'], '/v1/ws', 401, ['UNAUTHENTICATED the token is not valid here']],
    [
      'of another page',
      { authorization: 'Bearer good', origin: 'https://evil.example' },
      ['cloister.v1'],
      '/v1/ws',
      403,
      ['FORBIDDEN the Origin header is not an allowed one'],
    ],
    [
      'without the subprotocol',
      { authorization: 'Bearer good' },
      ['chat'],
      '/v1/ws',
      426,
      ['PROTOCOL_VERSION offer the subprotocol cloister.v1'],
    ],
    ['elsewhere', { authorization: 'Bearer good' }, ['cloister.v1'], '/v1/wss', 404, ['NOT_FOUND only /v1/ws is a WebSocket']],
  ])('refuses an upgrade %s, and that is on record', async (_, headers, protocols, path, status, record) => {
    expect(await dial(headers, protocols, path)).toBe(status);
    expect(refused).toEqual(record);
  });

  test('takes a token from the list of subprotocols, and no more connections than it may', async () => {
    const socket = (await dial({}, ['cloister.v1', 'bearer.good'])) as WebSocket;
    expect(socket.protocol).toBe('cloister.v1');
    expect(await dial({ authorization: 'Bearer good' })).toBe(503);
    socket.terminate();
    await once(socket, 'close');
  });
});

test("who is not let in can't fill the audit log: 60 records a minute, and how many were left out", async () => {
  const entries: AuditEntry[] = [];
  const clock = new FakeClock();
  const record = new RefusalRecord({ append: (entry) => entries.push(entry), clock });
  const refusal = { code: 'UNAUTHENTICATED', message: 'Cannot', address: '127.0.0.1', url: '/v1/ws?token=secret' };
  for (let n = 0; n < 1000; n += 1) record.add(refusal);
  expect(entries).toHaveLength(60);
  expect(entries[0]).toEqual({
    kind: 'denied',
    op: 'connect',
    code: 'UNAUTHENTICATED',
    message: 'Cannot',
    address: '127.0.0.1',
    path: '/v1/ws',
  });
  await clock.advance(60_000);
  record.add(refusal);
  record.add(refusal);
  expect(entries.slice(60)).toMatchObject([{ omittedBefore: 940 }, { code: 'UNAUTHENTICATED' }]);
  expect(entries[61]).not.toHaveProperty('omittedBefore');
});
