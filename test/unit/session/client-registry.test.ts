// Clients that go and come back: as the same client, in time, and nobody else as them.

import { beforeEach, describe, expect, test } from 'vitest';
import { ClientRegistry, RESUME_MS } from '../../../daemon/session/client-registry.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { principal, refusal } from '../../support/fake-sandbox.ts';

let clock: FakeClock;
let clients: ClientRegistry;
beforeEach(() => {
  clock = new FakeClock();
  clients = new ClientRegistry({ clock });
});
const nothing = () => undefined;

describe('a client that vanishes', () => {
  test('has its foreground work abandoned after its grace, once, and is forgotten after ten minutes', async () => {
    const cut = () => undefined;
    const happened: string[] = [];
    clients.connected('id', principal(), 5000, cut).foreground.add(() => happened.push('abandoned'));
    clients.disconnected('id', cut, () => happened.push('forgotten'));
    await clock.advance(4999);
    expect(happened).toEqual([]);
    await clock.advance(1);
    expect(happened).toEqual(['abandoned']);
    await clock.advance(RESUME_MS);
    expect(happened).toEqual(['abandoned', 'forgotten']);
    expect(clock.timers).toBe(0);
  });

  test('and comes back in time keeps its work', async () => {
    const cut = () => undefined;
    let abandoned = 0;
    const state = clients.connected('id', principal(), 5000, cut);
    state.foreground.add(() => (abandoned += 1));
    clients.disconnected('id', cut, nothing);
    await clock.advance(4999);
    expect(clients.connected('id', principal(), 5000, nothing)).toBe(state);
    await clock.advance(RESUME_MS * 2);
    expect(abandoned).toBe(0);
  });

  test('from a connection that was replaced already is still here', async () => {
    const first = () => undefined;
    clients.connected('id', principal(), 0, first);
    clients.connected('id', principal(), 0, () => undefined);
    expect(clients.disconnected('id', first, nothing)).toBe(false);
  });
});

test('a second connection with the same clientId ends the first', () => {
  let cut = 0;
  clients.connected('id', principal(), 0, () => (cut += 1));
  clients.connected('id', principal(), 0, nothing);
  expect(cut).toBe(1);
});

test.each<[string, object]>([
  ['of another tenant', { tenant: 'globex' }],
  ['of another role', { role: 'operator' }],
  ['narrowed to a session', { session: 's' }],
  ['that may only read', { isReadOnly: true }],
])('a clientId is not taken up by a token %s', async (_, more) => {
  let cut = 0;
  clients.connected('id', principal(), 0, () => (cut += 1));
  expect(await refusal(() => clients.connected('id', principal(more), 0, nothing))).toBe(
    'UNAUTHENTICATED: the clientId belongs to another principal',
  );
  expect(cut).toBe(0);
});

test('a renewed token takes it up', () => {
  const state = clients.connected('id', principal(), 0, nothing);
  expect(clients.connected('id', principal({ tokenId: 'token-2', expiresAt: 1 }), 0, nothing)).toBe(state);
});

test('a tenant that makes clients without end gives up its own oldest, keeps those connected, and takes no place of others', async () => {
  const cut = () => undefined;
  const happened: string[] = [];
  for (let n = 0; n < 2000; n += 1) {
    const state = clients.connected(`c${n}`, principal(), 5000, cut);
    if (n === 3) state.foreground.add(() => happened.push('abandoned'));
  }
  expect(await refusal(() => clients.connected('more', principal(), 0, cut))).toBe('CAPACITY: too many clients');
  expect(await refusal(() => clients.connected('theirs', principal({ tenant: 'globex' }), 0, cut))).toBe('no error');
  clients.disconnected('c3', cut, () => happened.push('c3 forgotten'));
  clients.disconnected('c1', cut, () => happened.push('c1 forgotten'));
  expect(await refusal(() => clients.connected('more', principal(), 0, cut))).toBe('no error');
  expect(happened).toEqual(['abandoned', 'c3 forgotten']);
  await clock.advance(RESUME_MS);
  expect(happened).toEqual(['abandoned', 'c3 forgotten', 'c1 forgotten']);
});
