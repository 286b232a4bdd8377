// Port previews: a server in a sandbox is seen from outside, byte for byte, and by nobody without leave.

import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Sandbox } from '../../client/index.ts';
import { eventually } from '../support/eventually.ts';
import { startTenantServer } from '../support/tenant-server.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

let daemon: TestDaemon;
let sandbox: Sandbox;
let port: number;
let host: string;

beforeAll(async () => {
  daemon = await startTestDaemon();
  sandbox = await (await daemon.connect('acme')).open({ session: 'ports' });
  await startTenantServer(sandbox);
  const address = new URL(await sandbox.ports.url(3000));
  port = Number(address.port);
  host = `3000-${sandbox.id.slice(3)}.localhost:${port}`;
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** As a browser or curl does, who take *.localhost for loopback: fetch can't set Host. */
function ask(path: string, headers: Record<string, string | string[]>, method = 'GET'): Promise<Reply> {
  return new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port, path, method, headers: { host, ...headers }, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

async function at(path: string, onPort = 3000): Promise<URL> {
  const url = new URL(await sandbox.ports.url(onPort));
  url.pathname = path;
  return url;
}

const PAGE = { accept: 'text/html,*/*', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none' };

describe('a program with the address', () => {
  test('is served at once, any number of times', async () => {
    const url = await sandbox.ports.url(3000);
    for (let n = 0; n < 3; n += 1) expect(await (await fetch(url)).text()).toBe('no such page');
  });

  test('asks for other paths and queries, and the server never sees the ticket', async () => {
    const url = await at('/headers');
    url.searchParams.append('a', '1 2');
    url.searchParams.append('b', '%');
    const seen = await (await fetch(url)).text();
    expect(JSON.parse(seen)).toMatchObject({ url: '/headers?a=1+2&b=%25', method: 'GET' });
    expect(seen).not.toContain('cloister');
  });

  test('uploads 16 MiB and downloads 16 MiB unchanged', async () => {
    const body = randomBytes(16 * 1024 * 1024);
    const answer = await fetch(await at('/upload'), { method: 'POST', body });
    expect(await answer.json()).toEqual({ bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') });
    expect((await (await fetch(await at('/download'))).arrayBuffer()).byteLength).toBe(16 * 1024 * 1024);
  });

  test('gets the answer of a server that did not read its upload', async () => {
    const answer = await fetch(await at('/refuse'), { method: 'POST', body: 'short' });
    expect([answer.status, await answer.text()]).toEqual([413, 'too large']);
  });

  test('gets events when they happen, headers before the first', async () => {
    const stop = new AbortController();
    const events = await fetch(await at('/events'), { signal: stop.signal });
    expect(events.headers.get('content-type')).toBe('text/event-stream');
    await fetch(await at('/tick'));
    const { value } = (await events.body?.getReader().read()) ?? {};
    expect(Buffer.from(value ?? []).toString()).toBe('data: tick\n\n');
    stop.abort();
  });

  test('that does not read holds the server back; one that leaves is seen to leave', async () => {
    const stop = new AbortController();
    await fetch(await at('/endless'), { signal: stop.signal });
    const sent = async () => (await (await fetch(await at('/sent'))).json()) as { sent: number; closed: boolean };
    let last = -1;
    await eventually(sent, ({ sent: now }) => {
      const isHeld = now === last;
      last = now;
      return isHeld;
    });
    expect(last).toBeLessThan(32 * 1024 * 1024);
    stop.abort();
    expect(await eventually(sent, ({ closed }) => closed)).toMatchObject({ closed: true });
  });

  test('talks WebSocket both ways, text and binary', async () => {
    const url = await sandbox.ports.url(3000);
    const socket = new WebSocket(url.replace('http', 'ws'), ['echo', 'bearer.secret']);
    const received: Buffer[] = [];
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (data: Buffer) => {
        received.push(data);
        if (received.length === 1) {
          socket.send('hello');
          socket.send(randomBytes(300_000));
        }
        if (received.length === 3) resolve();
      });
    });
    socket.close();
    expect(received[0]!.toString()).not.toMatch(/bearer|ticket/);
    expect(received[1]!.toString()).toBe('hello');
    expect(received[2]!.length).toBe(300_000);
  });

  test('with a token needs no ticket, and the server never sees the token', async () => {
    const token = await daemon.token('acme');
    const reply = await ask('/headers', {
      authorization: `Bearer ${token}`,
      'x-forwarded-for': '10.0.0.1',
      'x-real-ip': '10.0.0.1',
      forwarded: 'for=10.0.0.1',
      'x-own': 'kept',
    });
    expect(reply.status).toBe(200);
    expect(reply.text).toContain('kept');
    expect(reply.text).not.toMatch(/bearer|10\.0\.0\.1|authorization/i);
  });
});

describe('a browser', () => {
  test("is sent to a host of the preview's own, gets a cookie there and an address without the ticket", async () => {
    const url = await at('/headers');
    const sentOn = await ask(url.pathname + url.search, { ...PAGE, host: url.host });
    expect(sentOn.status).toBe(307);
    expect(sentOn.headers.location).toBe(`http://${host}${url.pathname}${url.search}`);
    const exchanged = await ask(url.pathname + url.search, PAGE);
    expect([exchanged.status, exchanged.headers.location]).toEqual([303, `http://${host}/headers`]);
    const [cookie = ''] = exchanged.headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/^cloister-preview=[^;]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/);
    const shown = await ask('/headers', { ...PAGE, cookie: `own=1; ${cookie.split(';')[0]}; other=2` });
    expect(shown.status).toBe(200);
    expect(shown.text).toContain('own=1; other=2');
    expect(shown.text).not.toContain('cloister-preview');
  });

  test('is told when nothing listens, in words', async () => {
    const [cookie] = (await ask((await at('/', 4000)).search, PAGE)).headers['set-cookie'] ?? [];
    expect(cookie).toBeUndefined();
    const reply = await ask(`/${(await at('/', 4000)).search}`, {
      ...PAGE,
      accept: '*/*',
      'sec-fetch-dest': 'empty',
      host: host.replace('3000', '4000'),
    });
    expect(reply.status).toBe(502);
    expect(JSON.parse(reply.text)).toMatchObject({
      code: 'NOT_FOUND',
      message: 'Cannot connect to port 4000 of session ports: nothing listens there',
    });
  });
});

describe('a server that', () => {
  test.each([
    ['does not speak HTTP', 3001],
    ['changes the protocol unasked', 3002],
  ])('%s gives 502', async (_, badPort) => {
    const answer = await fetch(await at('/', badPort));
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({
      code: 'SANDBOX_FAILED',
      message: expect.stringContaining('Cannot read the answer of the server') as string,
    });
  });

  test('never answers holds its own connections only: the 49th is refused, and leaving frees them', async () => {
    const stop = new AbortController();
    const url = await at('/', 3003);
    const waiting = Array.from({ length: 48 }, () => fetch(url, { signal: stop.signal }).catch(() => 'left'));
    const status = async () => (await fetch(await at('/headers'))).status;
    expect(await eventually(status, (now) => now === 503)).toBe(503);
    stop.abort();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['left']));
    expect(await eventually(status, (now) => now === 200)).toBe(200);
  });
});

test('a command in a terminal and a preview go on beside each other, and both end with the sandbox', async () => {
  const client = await daemon.connect('acme');
  const other = await client.open({ session: 'short' });
  await startTenantServer(other);
  const url = new URL(await other.ports.url(3000));
  url.pathname = '/events';
  const events = await fetch(url);
  await other.close();
  await expect(events.text()).rejects.toThrow(/terminated|aborted|closed/);
  expect((await fetch(url)).status).toBe(410);
});
