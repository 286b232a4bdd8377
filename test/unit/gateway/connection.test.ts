// One connection: what it takes, what it refuses, what it never does twice.

import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { CLOSE_CODE, encodeFrame, FLAG_EOF, FRAME_KIND } from '../../../client/protocol/frames.ts';
import { settled } from '../../support/fake-clock.ts';
import { principal } from '../../support/fake-sandbox.ts';
import { gate, type Client, type Gate } from './wire.ts';

let here: Gate;
let client: Client;
beforeEach(async () => {
  here = gate();
  client = await here.greet();
});
const newClientId = () => randomBytes(24).toString('base64url');

describe('hello', () => {
  test.each<[string, (fresh: Client) => Promise<string>, string]>([
    ['is due before anything else', (fresh) => fresh.outcome('list', {}), 'INVALID_REQUEST: hello comes first'],
    [
      'speaks one protocol',
      (fresh) => fresh.outcome('hello', { protocol: 2, clientId: newClientId() }),
      'PROTOCOL_VERSION: this daemon speaks 1',
    ],
    [
      "needs an id that can't be guessed",
      (fresh) => fresh.outcome('hello', { protocol: 1, clientId: 'me' }),
      'INVALID_REQUEST: clientId: must be 22 to 64 characters of base64url, unguessable',
    ],
  ])('%s', async (_, call, why) => {
    expect((await call(here.connect())).replace('Cannot speak protocol 2: ', '')).toBe(why);
  });

  test('is said once', async () => {
    expect(await client.outcome('hello', { protocol: 1, clientId: newClientId() })).toMatch(/^INVALID_REQUEST: .*hello twice/);
    expect(await client.outcome('list', {})).toBe('no error');
  });

  test('comes within ten seconds', async () => {
    const silent = here.connect();
    await here.clock.advance(9999);
    expect(silent.socket.closedWith).toBeNull();
    await here.clock.advance(1);
    expect(silent.socket.closedWith).toBe(CLOSE_CODE.protocolViolation);
    expect(client.socket.closedWith).toBeNull();
  });

  test('with a known clientId ends the older connection, whose calls are not answered any more', async () => {
    const clientId = newClientId();
    const old = await here.greet(principal(), clientId);
    await here.greet(principal(), clientId);
    expect(old.socket.closedWith).toBe(CLOSE_CODE.goingAway);
    expect(await old.outcome('list', {})).toBe('no answer');
  });
});

describe('a token that expires', () => {
  test('closes its connection with 4003 at that time, and what comes afterwards is not answered', async () => {
    const brief = await here.greet(principal({ expiresAt: here.clock.now() + 20_000 }));
    await here.clock.advance(19_999);
    expect(await brief.outcome('list', {})).toBe('no error');
    await here.clock.advance(1);
    expect(brief.socket.closedWith).toBe(CLOSE_CODE.tokenExpired);
    expect(await brief.outcome('list', {})).toBe('no answer');
    await here.clock.advance(2000);
    expect(brief.socket.isTerminated).toBe(true);
  });
});

describe('a message', () => {
  test.each<[string, (to: Client) => void]>([
    ['that is not JSON', (to) => to.text('{')],
    ['without an id', (to) => to.text('{"op":"list"}')],
    ['that is null', (to) => to.text('null')],
    ['of bytes that are no frame', (to) => to.frame(Buffer.from('x'))],
  ])('%s closes the connection with 1002', (_, send) => {
    send(client);
    expect(client.socket.closedWith).toBe(CLOSE_CODE.protocolViolation);
  });

  test.each<[string, string, object]>([
    ['an unknown operation', 'constructor', {}],
    ['an unknown field', 'list', { root: true }],
  ])('with %s is answered INVALID_REQUEST', async (_, op, params) => {
    expect(await client.outcome(op, params)).toMatch(/^INVALID_REQUEST/);
    expect(client.socket.closedWith).toBeNull();
  });
});

describe('requests', () => {
  test('get one answer each; those above 1024 in flight are QUOTA_EXCEEDED', async () => {
    here.maker.making = new Promise(() => undefined);
    const ids = Array.from({ length: 1030 }, () => client.send('open', { session: 's' }));
    await settled();
    const refused = ids.filter((id) => client.answersTo(id).length > 0);
    expect(refused).toHaveLength(6);
    expect(client.answersTo(refused[0]!)[0]?.error?.code).toBe('QUOTA_EXCEEDED');
    await here.pool.drain('close', 0);
    await settled();
    expect(ids.map((id) => client.answersTo(id).length)).toEqual(ids.map(() => 1));
  });

  test('whose stream is in use start nothing and leave the other one alone', async () => {
    const sandbox = (await client.call('open', { session: 's' }))['id'];
    client.send('exec.start', { sandbox, execId: 'first', command: ['cat'], stdin: 'pipe', stream: 3 });
    expect(await client.outcome('exec.start', { sandbox, execId: 'second', command: ['cat'], stream: 3 })).toBe(
      'INVALID_REQUEST: it is open already',
    );
    expect(here.maker.made[0]?.execs.get('second')).toBeUndefined();
    client.frame(encodeFrame(FRAME_KIND.data, FLAG_EOF, 3, 0, Buffer.from('mine')));
    await settled();
    const first = here.maker.made[0]!.execs.require('first');
    expect([Buffer.concat(first.written).toString(), first.isStdinClosed]).toEqual(['mine', true]);
  });

  test('whose answer is larger than a message may be are TOO_LARGE, not a broken connection', async () => {
    const sandbox = (await client.call('open', { session: 's' }))['id'];
    here.maker.made[0]!.files.list = async () =>
      ({ entries: Array.from({ length: 10_000 }, () => 'x'.repeat(200)), truncated: false }) as never;
    expect(await client.outcome('files.list', { sandbox, path: '.' })).toMatch(/^TOO_LARGE/);
  });
});

describe('an upload', () => {
  let sandbox: unknown;
  let taken: Promise<string>;
  beforeEach(async () => {
    sandbox = (await client.call('open', { session: 's' }))['id'];
    taken = new Promise((resolve) => {
      Object.assign(here.maker.made[0]!.files, {
        write: async (_: string, source: AsyncIterable<Uint8Array>) => {
          const chunks: Uint8Array[] = [];
          try {
            for await (const chunk of source) chunks.push(chunk);
          } catch (error) {
            resolve('failed');
            throw error;
          }
          resolve(Buffer.concat(chunks).toString());
          return {};
        },
      });
    });
  });

  test('is complete at its end', async () => {
    const id = client.send('files.write', { sandbox, path: 'a', stream: 5 });
    client.frame(encodeFrame(FRAME_KIND.data, 0, 5, 0, Buffer.from('ab')));
    client.frame(encodeFrame(FRAME_KIND.data, FLAG_EOF, 5, 2, Buffer.from('c')));
    expect(await taken).toBe('abc');
    await settled();
    expect(client.answersTo(id)).toMatchObject([{ result: {} }]);
  });

  test('that the client gives up with STOP is an error and no file', async () => {
    const id = client.send('files.write', { sandbox, path: 'a', stream: 5 });
    client.frame(encodeFrame(FRAME_KIND.data, 0, 5, 0, Buffer.from('ab')));
    client.frame(encodeFrame(FRAME_KIND.stop, 0, 5, 0));
    expect(await taken).toBe('failed');
    await settled();
    expect(client.answersTo(id)).toMatchObject([{ error: { code: 'INVALID_REQUEST' } }]);
  });

  test('whose connection is lost is an error and no file', async () => {
    client.send('files.write', { sandbox, path: 'a', stream: 5 });
    client.socket.terminate();
    expect(await taken).toBe('failed');
  });
});

test('STOP on a command ends its output and leaves its stdin', async () => {
  const sandbox = (await client.call('open', { session: 's' }))['id'];
  client.send('exec.start', { sandbox, execId: 'x', command: ['cat'], stdin: 'pipe', stream: 3 });
  client.frame(encodeFrame(FRAME_KIND.stop, 0, 3, 0));
  client.frame(encodeFrame(FRAME_KIND.data, FLAG_EOF, 3, 0, Buffer.from('still')));
  await settled();
  const execution = here.maker.made[0]!.execs.require('x');
  expect(Buffer.concat(execution.written).toString()).toBe('still');
  expect(execution.isStdinClosed).toBe(true);
});

test('a peer that is silent for three heartbeats is cut, one that answers is not', async () => {
  const lively = await here.greet();
  for (let n = 0; n < 10; n += 1) {
    lively.socket.emit('pong');
    await here.clock.advance(15_000);
  }
  expect([client.socket.isTerminated, lively.socket.isTerminated]).toEqual([true, false]);
});

test('nothing is left of a connection that ended: no timer, no client after ten minutes', async () => {
  const before = here.clock.timers;
  const brief = await here.greet();
  brief.socket.terminate();
  await here.clock.advance(600_000);
  expect(here.clock.timers).toBeLessThanOrEqual(before);
});
