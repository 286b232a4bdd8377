// Who may do what over the wire: every operation, in every role, under every token.

import { beforeEach, describe, expect, test } from 'vitest';
import { encodeFrame, FRAME_KIND } from '../../../client/protocol/frames.ts';
import { settled } from '../../support/fake-clock.ts';
import { principal } from '../../support/fake-sandbox.ts';
import { gate, type Client, type Gate } from './wire.ts';

let here: Gate;
let controller: Client;
let id: string;
beforeEach(async () => {
  here = gate();
  controller = await here.greet();
  id = String((await controller.call('open', { session: 's' }))['id']);
});
const join = async (role: 'participant' | 'observer' | 'controller', who = principal(), more = {}) => {
  const client = await here.greet(who);
  await client.call('open', { session: 's', role, ...more });
  return client;
};

const WATCH: [string, object][] = [['exec.list', {}]];
const WORK: [string, object][] = [
  ['exec.start', { execId: 'x', command: 'id', background: true, yieldMs: 1 }],
  ['files.list', { path: '.' }],
  ['files.stat', { path: 'a' }],
  ['ports.url', { port: 3000 }],
];
const CONTROL: [string, object][] = [
  ['extend', { ttlMs: 5000 }],
  ['close', {}],
];
const outcomes = async (client: Client, calls: [string, object][]) => {
  const all: string[] = [];
  for (const [op, params] of calls) all.push(await client.outcome(op, { sandbox: id, ...params }));
  return [...new Set(all)];
};

describe('a connection', () => {
  test.each<[string, () => Promise<Client>, string, string, string]>([
    ['that controls', async () => controller, 'no error', 'no error', 'no error'],
    [
      'that joined as participant',
      () => join('participant'),
      'no error',
      'no error',
      'FORBIDDEN: this connection opened it as participant',
    ],
    [
      'that joined as observer',
      () => join('observer'),
      'no error',
      'FORBIDDEN: this connection opened it as observer',
      'FORBIDDEN: this connection opened it as observer',
    ],
    [
      'that never opened the session',
      () => here.greet(),
      'INVALID_REQUEST: this connection has not opened it',
      'INVALID_REQUEST: this connection has not opened it',
      'SESSION_BUSY: another connection holds it',
    ],
    [
      'of an operator that never opened it',
      () => here.greet(principal({ role: 'operator', tenant: null })),
      'no error',
      'INVALID_REQUEST: this connection has not opened it',
      'no error',
    ],
    [
      'of another tenant',
      () => here.greet(principal({ tenant: 'globex' })),
      'NOT_FOUND: there is none of this id',
      'NOT_FOUND: there is none of this id',
      'NOT_FOUND: there is none of this id',
    ],
    [
      'under a token for another session',
      () => here.greet(principal({ session: 'other' })),
      'NOT_FOUND: there is none of this id',
      'NOT_FOUND: there is none of this id',
      'NOT_FOUND: there is none of this id',
    ],
  ])('%s', async (_, connect, watch, work, control) => {
    const client = await connect();
    expect(await outcomes(client, WATCH)).toEqual([watch]);
    expect(await outcomes(client, WORK)).toEqual([work]);
    expect(await outcomes(client, CONTROL)).toEqual([control]);
  });

  test("of an observer's token watches what it opened as observer, and nothing else", async () => {
    const client = await join('observer', principal({ role: 'observer' }));
    expect(await outcomes(client, WATCH)).toEqual(['no error']);
    expect(await outcomes(client, [...WORK, ...CONTROL])).toEqual(
      [...WORK, ...CONTROL].map(() => "FORBIDDEN: the token is an observer's").slice(0, 1),
    );
    expect(await client.outcome('open', { session: 's', role: 'participant' })).toBe("FORBIDDEN: the token is an observer's");
  });

  test('of a read-only token reads files beside the controller and starts nothing', async () => {
    const client = await join('participant', principal({ isReadOnly: true }));
    expect(
      await outcomes(client, [
        ['files.list', { path: '.' }],
        ['exec.list', {}],
      ]),
    ).toEqual(['no error']);
    expect(
      await outcomes(client, [
        ['exec.start', { execId: 'x', command: 'id' }],
        ['files.mkdir', { path: 'x' }],
        ['ports.url', { port: 1 }],
        ...CONTROL,
      ]),
    ).toEqual(['FORBIDDEN: the token is read-only']);
    expect(await client.outcome('open', { session: 's', takeover: true })).toBe('FORBIDDEN: the token is read-only');
  });
});

describe('after a takeover', () => {
  test('every call of the former controller is LEASE_LOST, commands and files too, and those of its heir work', async () => {
    const heir = await join('controller', principal(), { takeover: true });
    expect(await outcomes(controller, [...WATCH, ...WORK, ...CONTROL, ['exec.kill', { execId: 'x' }]])).toEqual([
      'LEASE_LOST: another connection took it over',
    ]);
    expect(await outcomes(heir, [...WATCH, ...WORK, ...CONTROL])).toEqual(['no error']);
  });

  test('the former controller may take it back on the same connection', async () => {
    const heir = await join('controller', principal(), { takeover: true });
    await controller.call('open', { session: 's', takeover: true });
    expect(await outcomes(controller, WORK)).toEqual(['no error']);
    expect(await outcomes(heir, WORK)).toEqual(['LEASE_LOST: another connection took it over']);
  });

  test('the former controller may join as participant', async () => {
    await join('controller', principal(), { takeover: true });
    await controller.call('open', { session: 's', role: 'participant' });
    expect(await outcomes(controller, WORK)).toEqual(['no error']);
    expect(await outcomes(controller, CONTROL)).toEqual(['LEASE_LOST: another connection took it over']);
  });
});

describe('an observer that attaches', () => {
  const frameOf = (text: string) => encodeFrame(FRAME_KIND.data, 0, 7, 0, Buffer.from(text));
  const startCat = () => controller.send('exec.start', { sandbox: id, execId: 'cat', command: ['cat'], stdin: 'pipe', stream: 3 });
  const cat = () => here.maker.made[0]!.execs.require('cat');

  test("can't write to the command, hold it back, or end it by leaving", async () => {
    const starting = startCat();
    const observer = await join('observer');
    observer.send('exec.attach', { sandbox: id, execId: 'cat', stream: 7 });
    observer.frame(frameOf('injected'));
    await settled();
    expect(cat().written).toEqual([]);
    expect([...cat().held.keys()]).toEqual([controller.connection.clientId]);
    cat().emit({ kind: 'output', stream: 'stdout', offset: 0, bytes: Buffer.from('seen') });
    await settled();
    expect(observer.frames.map(({ payload }) => Buffer.from(payload).toString())).toEqual(['seen']);
    observer.socket.terminate();
    await here.clock.advance(60_000);
    expect(cat().state).toBe('running');
    expect(controller.answersTo(starting)).toEqual([]);
  });

  test("of a read-only token can't either, although it joined as participant", async () => {
    startCat();
    const reader = await join('participant', principal({ isReadOnly: true }));
    reader.send('exec.attach', { sandbox: id, execId: 'cat', stream: 7 });
    reader.frame(frameOf('injected'));
    await settled();
    expect(cat().written).toEqual([]);
    expect([...cat().held.keys()]).toEqual([controller.connection.clientId]);
  });

  test('and a participant that repeats the start does not take stdin over from its writer', async () => {
    startCat();
    const participant = await join('participant');
    participant.send('exec.start', { sandbox: id, execId: 'cat', command: ['cat'], stdin: 'pipe', stream: 7 });
    participant.frame(frameOf('injected'));
    controller.frame(encodeFrame(FRAME_KIND.data, 0, 3, 0, Buffer.from('mine')));
    await settled();
    expect(Buffer.concat(cat().written).toString()).toBe('mine');
  });
});

describe('a participant that vanishes', () => {
  test("holds the controller's command back no longer than its grace, and does not end it", async () => {
    controller.send('exec.start', { sandbox: id, execId: 'x', command: ['x'] });
    const participant = await here.greet(principal(), undefined, 5000);
    await participant.call('open', { session: 's', role: 'participant' });
    participant.send('exec.attach', { sandbox: id, execId: 'x', stream: 7 });
    await settled();
    const execution = here.maker.made[0]!.execs.require('x');
    expect([...execution.held.keys()]).toEqual([participant.connection.clientId]);
    participant.socket.terminate();
    await here.clock.advance(4999);
    expect(execution.held.size).toBe(1);
    await here.clock.advance(1);
    expect(execution.held.size).toBe(0);
    expect(execution.state).toBe('running');
  });

  test('has its own foreground commands ended after its grace, and its background ones left', async () => {
    const participant = await here.greet(principal(), undefined, 5000);
    await participant.call('open', { session: 's', role: 'participant' });
    participant.send('exec.start', { sandbox: id, execId: 'fore', command: ['x'] });
    participant.send('exec.start', { sandbox: id, execId: 'back', command: ['x'], background: true });
    await settled();
    participant.socket.terminate();
    await here.clock.advance(5000);
    const { execs } = here.maker.made[0]!;
    expect([execs.require('fore').killed, execs.require('back').killed]).toEqual([['disconnect'], []]);
  });
});

test('a session that ends is told to everyone who opened it, and to nobody else', async () => {
  const [participant, stranger] = [await join('participant'), await here.greet()];
  await controller.call('close', { sandbox: id });
  expect([controller, participant, stranger].map(({ events }) => events.map(({ event }) => event))).toEqual([
    ['session.ended'],
    ['session.ended'],
    [],
  ]);
  expect(await participant.outcome('exec.list', { sandbox: id })).toBe('SESSION_EXPIRED: closed by its controller');
});

test('a client that vanishes while its sandbox starts does not keep the lease for ever', async () => {
  let made: () => void = () => undefined;
  here.maker.making = new Promise((resolve) => (made = resolve));
  const first = await here.greet();
  first.send('open', { session: 'late' });
  await settled();
  first.socket.terminate();
  made();
  await here.clock.advance(30_000);
  const second = await here.greet();
  expect(await second.outcome('open', { session: 'late' })).toBe('no error');
});

test('new commands are refused while the daemon stops, and those that run are answered', async () => {
  const running = controller.send('exec.start', { sandbox: id, execId: 'x', command: ['x'] });
  await settled();
  const draining = here.pool.drain('close', 5000);
  expect(await controller.outcome('exec.start', { sandbox: id, execId: 'y', command: ['y'] })).toBe(
    'SHUTTING_DOWN: the daemon is stopping',
  );
  here.maker.made[0]!.execs.require('x').end();
  await here.clock.advance(100);
  await draining;
  expect(controller.answersTo(running)).toMatchObject([{ result: { outcome: 'exited' } }]);
});
