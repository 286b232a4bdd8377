// A controller that lost its session: told so once, and its connection ended with 4001 if it has nothing else to do here.

import { beforeEach, describe, expect, test } from 'vitest';
import { principal } from '../../support/fake-sandbox.ts';
import { gate, type Client, type Gate } from './wire.ts';

let here: Gate;
let former: Client;
let id: string;

beforeEach(async () => {
  here = gate();
  former = await here.greet();
  id = String((await former.call('open', { session: 's' }))['id']);
  const heir = await here.greet();
  await heir.call('open', { session: 's', takeover: true });
});
const goesOn = (): Promise<string> => former.outcome('files.list', { sandbox: id, path: '.' });

describe('a connection whose controller was fenced off', () => {
  test('hears LEASE_LOST first, and ends with 4001 a second later', async () => {
    await here.clock.advance(5000);
    expect(former.socket.closedWith).toBeNull();
    expect(await goesOn()).toBe('LEASE_LOST: another connection took it over');
    await here.clock.advance(900);
    expect(former.socket.closedWith).toBeNull();
    await here.clock.advance(200);
    expect(former.socket.closedWith).toBe(4001);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['takes it back', () => former.call('open', { session: 's', takeover: true })],
    ['joins it as participant', () => former.call('open', { session: 's', role: 'participant' })],
    ['opens another session', () => former.call('open', { session: 'other' })],
  ])('stays if it %s', async (_, act) => {
    await goesOn();
    await act();
    await here.clock.advance(5000);
    expect(former.socket.closedWith).toBeNull();
  });
});

test('pausing is for whoever controls, and what is not paused can be resumed', async () => {
  const other = await here.greet(principal(), 'x'.repeat(22));
  const sandbox = String((await other.call('open', { session: 'mine' }))['id']);
  const watcher = await here.greet();
  await watcher.call('open', { session: 'mine', role: 'observer' });
  expect(await watcher.outcome('pause', { sandbox })).toBe('FORBIDDEN: this connection opened it as observer');
  expect(await watcher.outcome('resume', { sandbox })).toBe('FORBIDDEN: this connection opened it as observer');
  expect((await other.call('pause', { sandbox }))['state']).toBe('paused');
  expect((await other.call('resume', { sandbox }))['state']).toBe('running');
  expect(await other.outcome('resume', { sandbox })).toBe('no error');
  expect(here.audit.of('sandbox.pause').length + here.audit.of('sandbox.resume').length).toBe(3);
});
