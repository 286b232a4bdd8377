// Rules for requests over TLS that is opened for them, end to end on loopback.

import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { GrantedEgress } from '../../../daemon/policy/egress-policy.ts';
import { closeHarnesses } from '../../support/egress-harness.ts';
import { eventually } from '../../support/eventually.ts';
import { type OpenedWorld, startOpenedWorld } from '../../support/opened-world.ts';

let world: OpenedWorld;

beforeAll(async () => {
  world = await startOpenedWorld();
});
afterEach(() => {
  closeHarnesses();
  world.reset();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

describe('rules for requests', () => {
  const ruled = { allow: [{ host: 'api.test:1', methods: ['GET' as const], paths: ['/v1/', '/exact'] }] };
  const withPort = (): Partial<GrantedEgress> => ({ allow: [{ ...ruled.allow[0]!, host: `api.test:${world.port}` }] });

  test.each<[string, string, string]>([
    ['GET below a prefix', 'GET /v1/users?x=../..', '200 OK'],
    ['GET of the very path', 'GET /exact', '200 OK'],
    ['GET below the very path', 'GET /exact/a', '200 OK'],
    ['GET that only begins alike', 'GET /exactly', 'requestNotAllowed'],
    ['GET of another path', 'GET /v2/users', 'requestNotAllowed'],
    ['another method', 'POST /v1/users', 'requestNotAllowed'],
    ['dots', 'GET /v1/../v2', 'requestAmbiguous'],
    ['encoded dots', 'GET /v1/%2e%2e/v2', 'requestAmbiguous'],
    ['an encoded slash', 'GET /v1/..%2fv2', 'requestAmbiguous'],
    ['double encoding', 'GET /v1/%252e%252e/v2', 'requestAmbiguous'],
    ['an empty segment', 'GET /v1//v2', 'requestAmbiguous'],
    ['a parameter that hides dots', 'GET /v1/..;/v2', 'requestAmbiguous'],
    ['overlong dots', 'GET /v1/%c0%ae%c0%ae/v2', 'requestAmbiguous'],
    ['a full-width slash', 'GET /v1/..%ef%bc%8fv2', 'requestAmbiguous'],
  ])('%s: %s is %s', async (_, line, expected) => {
    const on = await world.harness({ secrets: [], policy: withPort() });
    const [method] = line.split(' ');
    expect(await world.ask(on, world.request(line, 'Connection: close', ...(method === 'POST' ? ['Content-Length: 0'] : [])))).toContain(
      expected,
    );
    expect(world.seen.length).toBe(expected === '200 OK' ? 1 : 0);
  });

  test('are not got around by a field that names another method', async () => {
    const on = await world.harness({ secrets: [], policy: withPort() });
    expect(await world.ask(on, world.get('/v1/x', 'X-HTTP-Method-Override: DELETE'))).toContain('requestAmbiguous');
  });

  test('hold for each request of a connection, also when they change meanwhile', async () => {
    const on = await world.harness({ secrets: [], policy: withPort() });
    const tls = await world.secure(on);
    let got = '';
    tls.on('data', (bytes: Buffer) => {
      got += bytes.toString();
    });
    const next = async (text: string): Promise<string> => {
      got = '';
      tls.write(text);
      return eventually(
        () => got,
        (answer) => /\r\n\r\n./.test(answer) && !answer.endsWith('\r\n\r\n'),
      );
    };
    expect(await next(world.request('GET /v1/a'))).toContain('200 OK');
    expect(await next(world.request('GET /v2/a'))).toContain('403 Forbidden');
    on.port.setPolicy({ mode: 'allowlist', allow: [{ host: `api.test:${world.port}`, paths: ['/v2/'] }], deny: [], ask: [] }, []);
    expect(await next(world.request('GET /v2/a'))).toContain('200 OK');
    expect(on.decisions.map(({ verdict, path }) => `${verdict} ${path}`)).toEqual(['allow /v1/a', 'deny /v2/a', 'allow /v2/a']);
    tls.destroy();
  });

  test('cut a tunnel that was open before there were rules', async () => {
    const on = await world.harness({ secrets: [] });
    const socket = connectTcp(on.proxy, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`CONNECT api.test:${world.port} HTTP/1.1\r\nHost: api.test:${world.port}\r\n\r\n`);
    await once(socket, 'data');
    await eventually(
      () => on.dialled.length,
      (count) => count === 1,
    );
    on.port.setPolicy({ mode: 'allowlist', deny: [], ask: [], ...withPort() } as GrantedEgress, []);
    await once(socket, 'close');
    expect(on.decisions).toMatchObject([{ reason: 'policyChanged' }]);
  });

  test('let nothing through a tunnel that is not TLS', async () => {
    const on = await world.harness({ secrets: [], policy: withPort() });
    await on.talk(`CONNECT api.test:${world.port} HTTP/1.1\r\nHost: api.test:${world.port}\r\n\r\nPOST /v2 HTTP/1.1\r\n\r\n`);
    expect(on.decisions).toMatchObject([{ verdict: 'deny', reason: 'notTls' }]);
    expect(on.dialled).toEqual([]);
  });
});
