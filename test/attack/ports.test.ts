// A page or server of a tenant, seen through a port preview, can't act as its visitor: not on Cloister, not on another
// preview, not with what the visitor sends. Requests carry what browsers put on them.

import { connect } from 'node:net';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Sandbox } from '../../client/index.ts';
import { startTenantServer } from '../support/tenant-server.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

let daemon: TestDaemon;
let victim: Sandbox;
let token: string;
/** Of the listener for previews. */
let port: number;
/** Of the daemon's own listener. */
let apiHost: string;
let cookie: string;

const NAVIGATION = { accept: 'text/html,*/*', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none' };
const hostOf = (sandbox: Sandbox, onPort = 3000): string => `${onPort}-${sandbox.id.slice(3)}.localhost:${port}`;
const EVIL = '3000-aaaaaaaaaaaaaaaaaaaa.localhost';

beforeAll(async () => {
  daemon = await startTestDaemon();
  apiHost = new URL(daemon.url).host;
  token = await daemon.token('acme');
  victim = await (await daemon.connect('acme')).open({ session: 'victim' });
  await startTenantServer(victim);
  const url = new URL(await victim.ports.url(3000));
  port = Number(url.port);
  const exchanged = await ask(url.search === '' ? '/' : `/${url.search}`, { host: hostOf(victim), ...NAVIGATION });
  cookie = exchanged.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

function ask(path: string, headers: Record<string, string>, { method = 'GET', toPort = port } = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port: toPort, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    })
      .on('error', reject)
      .end();
  });
}

/** The status of a request given byte by byte; 0: the connection was closed without one. */
function askRaw(lines: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\n\r\n`));
    socket.on('data', (part) => (text += part.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0)));
  });
}

/** The status with which a WebSocket is refused, or 101. */
function upgradeStatus(
  url: string,
  options: { headers: Record<string, string>; origin?: string },
  protocols: string[] = [],
): Promise<number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, protocols, options);
    socket.on('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.on('unexpected-response', (_, response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    socket.on('error', () => undefined);
  });
}

describe('a page in a preview', () => {
  test("can't read the API, even with a token", async () => {
    const origin = `http://${hostOf(victim)}`;
    const reply = await ask(
      '/v1/sandboxes',
      { host: apiHost, origin, authorization: `Bearer ${token}` },
      { toPort: Number(apiHost.split(':')[1]) },
    );
    expect([reply.status, reply.text]).toEqual([403, expect.stringContaining('the Origin header is not an allowed one')]);
    expect(reply.headers['access-control-allow-origin']).toBeUndefined();
  });

  test("can't open the API's WebSocket, even with a token", async () => {
    const status = await upgradeStatus(
      `${daemon.url}/v1/ws`,
      { headers: { authorization: `Bearer ${token}` }, origin: `http://${hostOf(victim)}` },
      ['cloister.v1'],
    );
    expect(status).toBe(403);
  });

  test('has no name by which the API answers', async () => {
    const reply = await ask(
      '/v1/sandboxes',
      { host: hostOf(victim), authorization: `Bearer ${token}` },
      { toPort: Number(apiHost.split(':')[1]) },
    );
    expect(reply.status).toBe(403);
  });

  test("finds no API in its own origin: that is the tenant's server", async () => {
    expect((await ask('/v1/sandboxes', { host: hostOf(victim), cookie })).text).toBe('no such page');
  });
});

describe('a page of another preview, in a browser that has a cookie for this one,', () => {
  const from = (more: Record<string, string>) => ({ cookie, ...more });
  test.each<[string, string, Record<string, string>, number]>([
    [
      "can't post a form",
      'POST',
      { origin: `http://${EVIL}`, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      403,
    ],
    [
      "can't fetch",
      'GET',
      { origin: `http://${EVIL}`, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
      403,
    ],
    [
      "can't load an image or script",
      'GET',
      { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
      403,
    ],
    ["can't show it in a frame", 'GET', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }, 403],
    ["can't act from a sandboxed frame", 'POST', { origin: 'null' }, 403],
    ['can link to it', 'GET', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }, 200],
  ])('%s', async (_, method, headers, status) => {
    expect((await ask('/headers', from({ host: hostOf(victim), ...headers }), { method })).status).toBe(status);
  });

  test("can't open a WebSocket; its own page can", async () => {
    const url = `ws://127.0.0.1:${port}/`;
    expect(await upgradeStatus(url, { headers: { host: hostOf(victim), cookie }, origin: `http://${EVIL}:${port}` })).toBe(403);
    expect(await upgradeStatus(url, { headers: { host: hostOf(victim), cookie }, origin: `http://${hostOf(victim)}` })).toBe(101);
  });

  test("can't lock its visitor out by cookies of the same name", async () => {
    expect((await ask('/headers', { host: hostOf(victim), cookie: `cloister-preview=junk; ${cookie}` })).status).toBe(200);
  });
});

describe('a pass', () => {
  test.each<[string, () => Promise<Reply>]>([
    ['none at all', () => ask('/headers', { host: hostOf(victim) })],
    ['the cookie of another port', () => ask('/', { host: hostOf(victim, 3001), cookie })],
    ['the cookie of another sandbox', () => ask('/', { host: `${EVIL}:${port}`, cookie })],
    [
      'a cookie that was changed',
      () => ask('/', { host: hostOf(victim), cookie: cookie.replace(/\../, (first) => (first === '.A' ? '.B' : '.A')) }),
    ],
    ['a cookie in place of a ticket', () => ask(`/?cloister-ticket=${cookie.slice('cloister-preview='.length)}`, { host: hostOf(victim) })],
    ['a token of the API in place of a cookie', () => ask('/', { host: hostOf(victim), cookie: `cloister-preview=${token}` })],
    [
      'a cookie in place of a token of the API',
      () =>
        ask(
          '/v1/sandboxes',
          { host: apiHost, authorization: `Bearer ${cookie.slice('cloister-preview='.length)}` },
          { toPort: Number(apiHost.split(':')[1]) },
        ),
    ],
    ['nothing, at the door', () => ask('/', { host: `127.0.0.1:${port}` })],
    ['the cookie, at the door', () => ask('/', { host: `127.0.0.1:${port}`, cookie })],
    ['a token, at the door', () => ask('/', { host: `127.0.0.1:${port}`, authorization: `Bearer ${token}` })],
  ])('does not open with %s', async (_, attempt) => {
    expect(await attempt()).toMatchObject({ status: 401 });
  });

  test('that is a ticket opens its own port only, and not for long', async () => {
    const { search } = new URL(await victim.ports.url(3001, { ttlMs: 1000 }));
    expect((await ask(`/${search}`, { host: hostOf(victim, 3001) })).status).toBe(502);
    expect((await ask(`/headers${search}`, { host: hostOf(victim) })).status).toBe(401);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await ask(`/${search}`, { host: hostOf(victim, 3001) })).toMatchObject({
      status: 401,
      text: expect.stringContaining('expired') as string,
    });
  });

  test.each<[string, () => Promise<string>, number]>([
    ["another tenant's token: the sandbox does not exist", () => daemon.token('rival'), 404],
    ['a token for another session', () => daemon.token('acme', { session: 'other' }), 404],
    ['a read-only token', () => daemon.token('acme', { isReadOnly: true }), 403],
    ["an observer's token", () => daemon.token('acme', { role: 'observer' }), 403],
    ['an expired token', () => daemon.token('acme', { ttlMs: -1000 }), 401],
  ])('is not %s', async (_, make, status) => {
    expect((await ask('/headers', { host: hostOf(victim), authorization: `Bearer ${await make()}` })).status).toBe(status);
  });
});

describe('the door', () => {
  test("shows no page: whatever a browser would show or run is sent to the preview's own host", async () => {
    const { search } = new URL(await victim.ports.url(3000));
    for (const headers of [
      { 'sec-fetch-dest': 'iframe' },
      { 'sec-fetch-dest': 'script' },
      { 'sec-fetch-mode': 'navigate' },
      { accept: 'text/html' },
    ]) {
      const reply = await ask(`/hostile${search}`, { host: `127.0.0.1:${port}`, ...headers });
      expect([reply.status, reply.headers.location]).toEqual([307, `http://${hostOf(victim)}/hostile${search}`]);
    }
  });

  test('lets nothing stay or run that it gives to programs', async () => {
    const { search } = new URL(await victim.ports.url(3000));
    const { status, headers } = await ask(`/hostile${search}`, { host: `127.0.0.1:${port}` });
    expect([status, headers['set-cookie'], headers['content-security-policy']]).toEqual([200, undefined, 'sandbox']);
  });
});

test('a server in a sandbox reaches beyond its own origin by no header', async () => {
  const { headers } = await ask('/hostile', { host: hostOf(victim), cookie });
  expect(headers['set-cookie']).toEqual(['own=1; Path=/']);
  expect(headers['x-harmless']).toBe('/');
  expect(headers['origin-agent-cluster']).toBe('?1');
  for (const name of ['service-worker-allowed', 'clear-site-data', 'strict-transport-security', 'alt-svc', 'nel', 'x-accel-redirect'])
    expect(headers).not.toHaveProperty(name);
});

test('a server in a sandbox sees no credential of its visitor', async () => {
  const { text } = await ask('/headers', {
    host: hostOf(victim),
    cookie: `${cookie}; __Host-cloister-console=secret; own=1`,
    authorization: 'Basic secret',
    'proxy-authorization': 'secret',
    'sec-websocket-protocol': 'bearer.secret',
    connection: 'keep-alive, x-hop',
    'x-hop': 'secret',
    'x-forwarded-proto': 'secret',
    'x-original-url': 'secret',
  });
  expect(text).toContain('own=1');
  expect(text).not.toMatch(/secret|cloister/);
});

test('an address does not redirect to another host', async () => {
  const { search } = new URL(await victim.ports.url(3000));
  const { status, headers } = await ask(`//evil.example/${search}`, { host: hostOf(victim), ...NAVIGATION });
  expect([status, headers.location]).toEqual([303, `http://${hostOf(victim)}//evil.example/`]);
});

describe('a request that could be understood in two ways is refused:', () => {
  const mine = (): string => `Host: ${hostOf(victim)}`;
  test.each<[string, () => string[], number]>([
    ['no Host', () => ['GET / HTTP/1.1'], 400],
    ['two Hosts', () => ['GET / HTTP/1.1', mine(), `Host: 127.0.0.1:${port}`], 421],
    ['another port in Host', () => ['GET / HTTP/1.1', mine().replace(/\d+$/, '80')], 421],
    ['no port in Host', () => ['GET / HTTP/1.1', mine().replace(/:\d+$/, '')], 421],
    ['a port with a leading zero', () => ['GET / HTTP/1.1', mine().replace('3000-', '03000-')], 421],
    ['a port that is none', () => ['GET / HTTP/1.1', mine().replace('3000-', '65536-')], 421],
    ["a name below the preview's", () => ['GET / HTTP/1.1', mine().replace('3000-', 'a.3000-')], 421],
    ['a dot at the end of the name', () => ['GET / HTTP/1.1', mine().replace('localhost:', 'localhost.:')], 421],
    ["a name of somebody else's", () => ['GET / HTTP/1.1', `Host: evil.example:${port}`], 421],
    ['an address with a host', () => [`GET http://${apiHost}/ HTTP/1.1`, mine()], 400],
    ['two lengths of the body', () => ['POST / HTTP/1.1', mine(), 'Content-Length: 5', 'Transfer-Encoding: chunked'], 400],
    ['another protocol than WebSocket', () => ['GET / HTTP/1.1', mine(), 'Connection: Upgrade', 'Upgrade: h2c'], 400],
  ])('%s', async (_, lines, status) => {
    const [first = '', ...rest] = lines();
    expect(await askRaw([first, 'Connection: close', ...rest])).toBe(status);
  });
});
