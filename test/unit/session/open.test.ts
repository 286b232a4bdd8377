// Opening: who gets a session, who controls it, who does not and why.

import { beforeEach, describe, expect, test } from 'vitest';
import { openRequest, poolHarness, principal, refusal, type PoolHarness } from '../../support/fake-sandbox.ts';
import { settled } from '../../support/fake-clock.ts';

const acme = principal();
const globex = principal({ tenant: 'globex' });
const deferred = () => {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
};

let harness: PoolHarness;
beforeEach(() => {
  harness = poolHarness();
});
const open = (session: string, client = 'one', more = {}, who = acme) => harness.pool.open(openRequest(session, more), who, client);
const sessionOf = async (session: string, client = 'one', more = {}) => harness.pool.find((await open(session, client, more)).id, acme);

describe('an open', () => {
  test('makes a session, and another one by the same client gets the same', async () => {
    const first = await open('s');
    expect(first).toMatchObject({ created: true, startKind: 'cold', role: 'controller' });
    expect(await open('s')).toMatchObject({ id: first.id, created: false, startKind: 'attached' });
    expect(harness.maker.made).toHaveLength(1);
  });

  test('at the same time as another one for the same key makes one sandbox', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => open('s')));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(all.filter(({ created }) => created)).toHaveLength(1);
  });

  test("of another tenant's session name makes another session", async () => {
    expect((await open('s', 'two', {}, globex)).id).not.toBe((await open('s')).id);
  });

  test('while the session closes waits for its end and makes a new one', async () => {
    const session = await sessionOf('s');
    const gate = deferred();
    harness.maker.closing = gate.promise;
    const closing = harness.pool.close(session, 'test');
    const again = Promise.all([open('s', 'two'), open('s', 'two')]);
    await settled();
    expect(harness.maker.made).toHaveLength(1);
    gate.resolve();
    await closing;
    const [first, second] = await again;
    expect(first.id).not.toBe(session.id);
    expect(second.id).toBe(first.id);
    expect(harness.maker.peak).toBe(1);
  });

  test("whose sandbox can't be made fails for everyone who waits, gives the quota back, and the next one works", async () => {
    harness = poolHarness({ perTenant: { sandboxes: 1 } });
    harness.maker.failure = new Error('no');
    const results = await Promise.allSettled([open('s'), open('s')]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    harness.maker.failure = null;
    expect(await open('s')).toMatchObject({ created: true });
    expect(harness.audit.of('sandbox.open').map(({ outcome }) => outcome)).toEqual(['failed', 'done']);
  });

  test("that can't be recorded leaves no sandbox behind", async () => {
    harness.audit.isFull = true;
    await expect(open('s')).rejects.toThrow('ENOSPC');
    expect(harness.maker.alive).toEqual([]);
    harness.audit.isFull = false;
    expect(await open('s')).toMatchObject({ created: true });
  });

  test.each<[string, () => Promise<unknown>, string]>([
    ["for a tenant that is not the token's", () => open('s', 'one', { tenant: 'globex' }), 'FORBIDDEN: only operators may'],
    [
      'under a token for another session',
      () => open('s', 'one', {}, principal({ session: 'other' })),
      'FORBIDDEN: the token is for another session',
    ],
    [
      'by an operator of no tenant',
      () => open('s', 'one', {}, principal({ role: 'operator', tenant: null })),
      'INVALID_REQUEST: the operator token names none',
    ],
    ['as participant of a session nobody has opened', () => open('s', 'one', { role: 'participant' }), 'NOT_FOUND: it is not open'],
    ['as observer of a session nobody has opened', () => open('s', 'one', { role: 'observer' }), 'NOT_FOUND: it is not open'],
    [
      "as controller with an observer's token",
      () => open('s', 'one', {}, principal({ role: 'observer' })),
      "FORBIDDEN: the token is an observer's",
    ],
    [
      "as participant with an observer's token",
      () => open('s', 'one', { role: 'participant' }, principal({ role: 'observer' })),
      "FORBIDDEN: the token is an observer's",
    ],
    [
      'as controller with a read-only token',
      () => open('s', 'one', {}, principal({ isReadOnly: true })),
      'FORBIDDEN: the token is read-only',
    ],
    [
      "as controller with an operator's read-only token",
      () => open('s', 'one', {}, principal({ role: 'operator', isReadOnly: true })),
      'FORBIDDEN: the token is read-only',
    ],
  ])('is refused %s', async (_, call, why) => {
    expect(await refusal(call())).toBe(why);
    expect(harness.maker.made).toEqual([]);
  });

  test.each<[string, object, string]>([
    ['profile', { profile: 'readonly' }, 'profile'],
    ['image', { image: 'other' }, 'image'],
    ['limit', { limits: { pids: 17 } }, 'limits.pids'],
    ['workspace', { workspace: { name: 'other' } }, 'workspace.name'],
    ['retention of the workspace', { workspace: { retain: 'delete' } }, 'workspace.retain'],
    ['size of the workspace', { workspace: { maxBytes: 5_000_000 } }, 'workspace.maxBytes'],
    ['environment', { env: { A: '2' } }, 'env'],
    ['idle time', { idleMs: 1234 }, 'idleMs'],
    ['time to live', { ttlMs: 1234 }, 'ttlMs'],
  ])('of a session that is open with another %s is POLICY_INVALID, never accepted and ignored', async (_, more, what) => {
    await open('s', 'one', { env: { A: '1' } });
    expect(await refusal(open('s', 'one', more))).toBe(`POLICY_INVALID: it is open with another ${what}`);
  });

  test('that repeats what the session has is accepted, after its life was extended too', async () => {
    const asked = { env: { A: '1' }, idleMs: 5000, ttlMs: 90_000, limits: { pids: 100 }, workspace: { retain: 'delete', name: 'w' } };
    const session = await sessionOf('s', 'one', asked);
    await session.extend({ ttlMs: 200_000, idleMs: 9000 });
    expect(await open('s', 'one', asked)).toMatchObject({ created: false });
  });

  test('naming a workspace in use by another session of the tenant is SESSION_BUSY, also by its default name', async () => {
    await open('a', 'one', { workspace: { name: 'b' } });
    expect(await refusal(open('b'))).toBe('SESSION_BUSY: its workspace b is in use by session a');
    expect(await refusal(open('c', 'one', { workspace: { name: 'b' } }))).toBe('SESSION_BUSY: its workspace b is in use by session a');
    expect(await open('b', 'two', {}, globex)).toMatchObject({ created: true });
  });
});

describe('the lease', () => {
  test("is one client's: another one is SESSION_BUSY at once, and may join", async () => {
    const { id } = await open('s');
    expect(await refusal(open('s', 'two'))).toBe('SESSION_BUSY: another connection holds it');
    expect(await open('s', 'two', { role: 'participant' })).toMatchObject({ id, role: 'participant', created: false });
    expect(harness.pool.find(id, acme).controller).toBe('one');
  });

  test('is taken over on demand, and its former holder is told', async () => {
    const session = await sessionOf('s');
    await open('s', 'two', { takeover: true });
    expect(session.controller).toBe('two');
    expect(harness.lost).toEqual([{ session, former: 'one' }]);
  });

  test('that is taken over while the sandbox starts is LEASE_LOST to who asked first', async () => {
    const gate = deferred();
    harness.maker.making = gate.promise;
    const first = refusal(open('s'));
    const second = open('s', 'two', { takeover: true });
    gate.resolve();
    expect(await first).toBe('LEASE_LOST: another connection took it over while it started');
    expect(await second).toMatchObject({ role: 'controller' });
  });

  test('of a vanished client waits leaseGraceMs, to the millisecond, and then is free', async () => {
    await open('s');
    harness.pool.controllerLost('one');
    await harness.clock.advance(29_999);
    expect(await refusal(open('s', 'two'))).toBe('SESSION_BUSY: another connection holds it');
    await harness.clock.advance(1);
    expect(await open('s', 'two')).toMatchObject({ created: false });
    expect(await refusal(open('s', 'one'))).toBe('SESSION_BUSY: another connection holds it');
    expect(harness.lost).toEqual([]);
  });

  test('of a client that comes back in time is its own again', async () => {
    const session = await sessionOf('s');
    harness.pool.controllerLost('one');
    expect(session.info().isControlled).toBe(false);
    await open('s');
    await harness.clock.advance(40_000);
    expect(session.info().isControlled).toBe(true);
  });

  test('of a client that will not come back is free at once', async () => {
    await open('s');
    harness.pool.controllerLost('one');
    harness.pool.controllerGone('one');
    expect(await open('s', 'two')).toMatchObject({ created: false });
  });
});
