// A connection to a server that is used for one request after the other: only for what may be repeated, judged each time, and
// gone as soon as it is no longer allowed.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { closeHarnesses, type EgressHarness, egressHarness, listen } from '../../support/egress-harness.ts';
import { eventually } from '../../support/eventually.ts';

let origin: Server;
let port: number;
let connections: number;
let open: Set<Socket>;
let sockets: Socket[];

beforeEach(async () => {
  [connections, open, sockets] = [0, new Set(), []];
  origin = createServer((request, response) => response.end(`${request.method ?? ''} ${request.url ?? ''}.`));
  origin.on('connection', (socket: Socket) => {
    connections += 1;
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  port = (origin.address() as AddressInfo).port;
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  origin.closeAllConnections();
  origin.close();
  closeHarnesses();
});

const harness = (to: number = port): Promise<EgressHarness> =>
  egressHarness({ policy: { allow: [`echo.test:${to}`, `other.test:${to}`] } });

/** One connection to the proxy; asks, and gives the whole answer. */
function client({ proxy }: EgressHarness, to: number = port) {
  const socket = connect(proxy, '127.0.0.1').on('error', () => undefined);
  sockets.push(socket);
  let got = '';
  socket.on('data', (bytes: Buffer) => {
    got += bytes.toString('latin1');
  });
  const ask = async (method: string, path: string, { host = 'echo.test', fields = '', body = '', until = `${path}.` } = {}) => {
    got = '';
    socket.write(`${method} http://${host}:${to}${path} HTTP/1.1\r\nHost: ${host}:${to}\r\n${fields}\r\n${body}`);
    return eventually(
      () => got,
      (text) => text.includes(until) || socket.destroyed,
    );
  };
  return { ask, socket };
}

test('requests on one connection share one to the server, and each is a decision with bytes of its own', async () => {
  const proxy = await harness();
  const { ask } = client(proxy);
  for (const path of ['/one', '/two', '/three']) expect(await ask('GET', path)).toContain(`GET ${path}.`);
  expect(connections).toBe(1);
  expect(proxy.dialled).toHaveLength(1);
  expect(proxy.started.map(({ path }) => path)).toEqual(['/one', '/two', '/three']);
  const decisions = await eventually(
    () => proxy.decisions,
    (all) => all.length === 3,
  );
  expect(decisions.map(({ path, verdict, address }) => [path, verdict, address])).toEqual(
    ['/one', '/two', '/three'].map((path) => [path, 'allow', '127.0.0.1']),
  );
  for (const { bytesUp, bytesDown } of decisions) {
    expect(bytesUp).toBeLessThan(200);
    expect(bytesDown).toBeLessThan(300);
    expect(Math.min(bytesUp, bytesDown)).toBeGreaterThan(20);
  }
});

test.each<[string, string, object]>([
  ['that changes something', 'POST', { fields: 'Content-Length: 2\r\n', body: 'hi' }],
  ['without a body that changes something', 'DELETE', {}],
  ['to another host', 'GET', { host: 'other.test' }],
])('a request %s has a connection of its own', async (_, method, options) => {
  const { ask } = client(await harness());
  await ask('GET', '/first');
  expect(await ask(method, '/second', options)).toContain(`${method} /second.`);
  expect(connections).toBe(2);
});

test('a server that ended it meanwhile is connected to again, once and unnoticed', async () => {
  let served = 0;
  // Each connection answers once and ends with the second request, as a server does whose time is up.
  const fickle = await listen((socket) => {
    let requests = 0;
    socket.on('data', () => {
      requests += 1;
      if (requests > 1) return void socket.destroy();
      served += 1;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok/x.');
    });
  });
  const proxy = await harness(fickle);
  const { ask } = client(proxy, fickle);
  for (let request = 0; request < 2; request += 1) expect(await ask('GET', '/x')).toContain('200 OK');
  expect(served).toBe(2);
  expect(proxy.started).toHaveLength(2);
  expect(
    await eventually(
      () => proxy.decisions,
      (all) => all.length === 2,
    ),
  ).toMatchObject([{ reason: 'allowed' }, { reason: 'allowed' }]);
});

test('what a server says unasked is no answer of anybody', async () => {
  let ended = 0;
  const talkative = await listen((socket) => {
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      ended += 1;
    });
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok/x.');
      setImmediate(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled'));
    });
  });
  const { ask } = client(await harness(talkative), talkative);
  for (let request = 1; request <= 3; request += 1) {
    expect(await ask('GET', '/x')).not.toContain('smuggled');
    await eventually(
      () => ended,
      (count) => count === request,
    );
    expect(ended).toBe(request);
  }
});

test.each<[string, (harness: EgressHarness) => void]>([
  ['a policy that no longer names the host', ({ port: of }) => of.setPolicy({ mode: 'allowlist', allow: [], deny: [], ask: [] }, [])],
  [
    'an operator who closes the host',
    ({ port: of, block }) => {
      block(['echo.test'], []);
      of.setPolicy({ mode: 'allowlist', allow: [`echo.test:${port}`], deny: [], ask: [] }, []);
    },
  ],
])('%s ends it, and the next request is denied', async (_, change) => {
  const proxy = await harness();
  const { ask } = client(proxy);
  await ask('GET', '/first');
  expect(open.size).toBe(1);
  change(proxy);
  expect(
    await eventually(
      () => open.size,
      (size) => size === 0,
    ),
  ).toBe(0);
  expect(await ask('GET', '/second', { until: 'remedy' })).toContain('403 Forbidden');
  expect(connections).toBe(1);
});

test('an operator who closes the address cuts a tunnel that is open to it', async () => {
  const proxy = await egressHarness({ policy: { allow: [`echo.test:${port}`] } });
  const socket = connect(proxy.proxy, '127.0.0.1').on('error', () => undefined);
  sockets.push(socket);
  socket.write(`CONNECT echo.test:${port} HTTP/1.1\r\nHost: echo.test:${port}\r\n\r\n`);
  await once(socket, 'data');
  const closed = once(socket, 'close');
  proxy.block([], ['127.0.0.0/8']);
  proxy.port.setPolicy({ mode: 'allowlist', allow: [`echo.test:${port}`], deny: [], ask: [] }, []);
  await closed;
  expect(
    await eventually(
      () => proxy.decisions,
      (all) => all.length > 0,
    ),
  ).toMatchObject([{ reason: 'policyChanged', verdict: 'deny' }]);
});

test('it ends with the connection of the client', async () => {
  const { ask, socket } = client(await harness());
  await ask('GET', '/first');
  socket.destroy();
  expect(
    await eventually(
      () => open.size,
      (size) => size === 0,
    ),
  ).toBe(0);
});
