// How a client connects, notices that nobody is there any more, and when it gives up.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { delayBefore } from '../../../client/backoff.ts';
import { errorOfClose, isFinal } from '../../../client/close-reason.ts';
import { Cloister, ClientError, SandboxError } from '../../../client/index.ts';
import { readMessage } from '../../../client/message.ts';
import { isRepeatable } from '../../../client/repeatable.ts';
import { ProtocolPeer } from '../../support/protocol-peer.ts';

const AT_ONCE = { minDelayMs: 1, maxDelayMs: 2 };
const connectTo = (peer: ProtocolPeer, giveUpAfterMs = 20_000): Promise<Cloister> =>
  Cloister.connect({ url: peer.url, token: peer.token, reconnect: { ...AT_ONCE, giveUpAfterMs } });

describe('connecting', () => {
  test('tells who the token stands for', async () => {
    await using peer = await ProtocolPeer.start();
    await using cloister = await connectTo(peer);
    expect(cloister.identity).toEqual({ tenant: 'acme', role: 'tenant' });
  });

  test('takes http addresses too', async () => {
    await using peer = await ProtocolPeer.start();
    await using cloister = await Cloister.connect({ url: peer.url.replace('ws:', 'http:'), token: peer.token });
    expect(await cloister.list()).toEqual([]);
  });

  test('with an unknown token is UNAUTHENTICATED, in the words of the daemon', async () => {
    await using peer = await ProtocolPeer.start();
    const attempt = Cloister.connect({ url: peer.url, token: 'wrong' });
    await expect(attempt).rejects.toBeInstanceOf(SandboxError);
    await expect(attempt).rejects.toMatchObject({ code: 'UNAUTHENTICATED', message: 'Cannot connect: the token is unknown' });
  });

  test.each([
    [403, 'FORBIDDEN'],
    [426, 'PROTOCOL_VERSION'],
    [503, 'SHUTTING_DOWN'],
    [404, 'CONNECT_FAILED'],
  ])('refused with HTTP %i is %s', async (status, code) => {
    const server = createServer().listen(0, '127.0.0.1');
    server.on('upgrade', (_request, socket) => socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 7\r\n\r\nno JSON`));
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(Cloister.connect({ url: `ws://127.0.0.1:${port}`, token: 't' })).rejects.toMatchObject({ code });
    server.close();
  });

  test('to nobody is CONNECT_FAILED, at once', async () => {
    await expect(Cloister.connect({ url: 'ws://127.0.0.1:1', token: 't' })).rejects.toMatchObject({ code: 'CONNECT_FAILED' });
  });

  test.each(['', 'no address', 'ftp://host'])('to %j is INVALID_ARGUMENT', async (url) => {
    await expect(Cloister.connect({ url, token: 't' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('to a daemon that never greets ends by its time limit', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(Cloister.connect({ url: `ws://127.0.0.1:${port}`, token: 't', connectTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
    });
    server.close();
  });

  test('can be aborted', async () => {
    await using peer = await ProtocolPeer.start();
    const abort = new AbortController();
    const attempt = Cloister.connect({ url: peer.url, token: peer.token, signal: abort.signal });
    abort.abort();
    await expect(attempt).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(Cloister.connect({ url: peer.url, token: peer.token, signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('a connection', () => {
  test('that falls silent is replaced after three missed heartbeats', async () => {
    await using peer = await ProtocolPeer.start({ heartbeatMs: 20 });
    await using cloister = await connectTo(peer);
    for (const connection of peer.connections) connection.isMute = true;
    expect(await cloister.list()).toEqual([]);
    expect(peer.connectionsSeen).toBe(2);
  });

  test('that only hears heartbeats stays', async () => {
    await using peer = await ProtocolPeer.start({ heartbeatMs: 100 });
    await using cloister = await connectTo(peer);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await cloister.list()).toEqual([]);
    expect(peer.connectionsSeen).toBe(1);
  });

  test.each([
    [4001, 'LEASE_LOST'],
    [4003, 'UNAUTHENTICATED'],
    [1002, 'PROTOCOL_ERROR'],
  ])('closed with %i is not opened again: every call is %s', async (closeCode, code) => {
    await using peer = await ProtocolPeer.start();
    await using cloister = await connectTo(peer);
    const sandbox = await cloister.open({ session: 'final' });
    const execution = sandbox.exec('sleep 600');
    await sandbox.execs();
    peer.closeAll(closeCode);
    await expect(execution.result).rejects.toMatchObject({ code });
    await expect(sandbox.files.list('.')).rejects.toMatchObject({ code });
    expect(peer.connectionsSeen).toBe(1);
  });

  test('that cannot be opened again in time fails its calls, never with a result', async () => {
    const peer = await ProtocolPeer.start();
    const cloister = await connectTo(peer, 50);
    const sandbox = await cloister.open({ session: 'gone' });
    const execution = sandbox.exec('echo some; sleep 600');
    const read = async (): Promise<string> => {
      let seen = '';
      for await (const { text } of execution) {
        seen += text;
        await peer[Symbol.asyncDispose]();
      }
      return seen;
    };
    await expect(read()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await expect(execution.result).rejects.toBeInstanceOf(ClientError);
    await cloister.close();
  });

  test('closed here fails open calls with CLOSED', async () => {
    await using peer = await ProtocolPeer.start();
    const cloister = await connectTo(peer);
    const sandbox = await cloister.open({ session: 'closed' });
    const execution = sandbox.exec('sleep 600');
    await sandbox.execs();
    await cloister.close();
    await expect(execution.result).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(cloister.list()).rejects.toMatchObject({ code: 'CLOSED' });
    await cloister.close();
  });

  test('takes a bounded number of calls while it waits', async () => {
    await using peer = await ProtocolPeer.start();
    await using cloister = await connectTo(peer);
    await cloister.list();
    for (const connection of peer.connections) connection.isMute = true;
    const calls = Array.from({ length: 10_001 }, () => cloister.list().catch((error: unknown) => error));
    expect(await calls.at(-1)).toMatchObject({ code: 'QUEUE_FULL' });
  });

  test('answered with something of another shape is PROTOCOL_ERROR for that call alone', async () => {
    await using peer = await ProtocolPeer.start();
    await using cloister = await connectTo(peer);
    peer.info = () => ({ id: 'not a sandbox' }) as never;
    await cloister.open({ session: 'x' });
    await expect(cloister.list()).rejects.toMatchObject({ code: 'PROTOCOL_ERROR' });
    await expect(cloister.open({ session: 'y' })).resolves.toBeDefined();
  });

  test('that carries something else than the protocol is ended', async () => {
    await using peer = await ProtocolPeer.start();
    const cloister = await connectTo(peer);
    for (const connection of peer.connections) connection.socket.send(Buffer.from('no frame'));
    await expect(cloister.list()).rejects.toMatchObject({ code: 'PROTOCOL_ERROR' });
  });
});

describe('decisions', () => {
  test('waits double, half of each random, up to the most', () => {
    const backoff = { minDelayMs: 100, maxDelayMs: 5_000 };
    expect([0, 1, 2, 5, 6, 60].map((attempt) => delayBefore(attempt, backoff, () => 1))).toEqual([100, 200, 400, 3_200, 5_000, 5_000]);
    expect(delayBefore(1, backoff, () => 0)).toBe(100);
  });

  test.each([
    [1001, false],
    [1006, false],
    [1002, true],
    [1009, true],
    [4001, true],
    [4003, true],
  ])('close code %i is final: %s', (code, final) => {
    expect(isFinal(errorOfClose(code, ''))).toBe(final);
  });

  test.each([
    ['files.write', { sandbox: 's', path: 'p', stream: 1 }, true],
    ['files.write', { sandbox: 's', path: 'p', stream: 1, append: true }, false],
    ['files.write', { sandbox: 's', path: 'p', stream: 1, ifMatch: 'x' }, false],
    ['files.mkdir', { sandbox: 's', path: 'p' }, true],
    ['files.mkdir', { sandbox: 's', path: 'p', parents: false }, false],
    ['files.move', { sandbox: 's', path: 'p', to: 'q' }, false],
    ['files.remove', { sandbox: 's', path: 'p', force: true }, true],
    ['exec.start', { sandbox: 's', execId: 'e', command: 'x' }, true],
  ] as const)('%s with %j may be repeated: %s', (op, params, repeatable) => {
    expect(isRepeatable(op, params)).toBe(repeatable);
  });

  test.each([
    ['no JSON', null],
    ['[1]', null],
    ['{"result":{}}', null],
    ['{"event":"from.the.future","x":1}', { kind: 'unknown' }],
    ['{"event":"heartbeat"}', { kind: 'event', event: { event: 'heartbeat' } }],
    ['{"id":3,"result":{"a":1}}', { kind: 'answer', id: 3, result: { a: 1 } }],
  ])('the message %s is read as what it is', (text, message) => {
    const read = readMessage(text);
    if (message === null) expect(read).toBeNull();
    else expect(read).toMatchObject(message);
  });
});
