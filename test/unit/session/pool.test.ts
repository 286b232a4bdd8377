// Ending: what a full pool closes and what never, and that nothing is left of what ended.

import { beforeEach, describe, expect, test } from 'vitest';
import {
  asRunning,
  FakeMaker,
  FakeSandbox,
  openRequest,
  poolHarness,
  principal,
  refusal,
  type PoolHarness,
} from '../../support/fake-sandbox.ts';
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

describe('a full pool', () => {
  beforeEach(() => {
    harness = poolHarness({ maxSessions: 2 });
  });

  test('closes the least recently used idle session, and makes the new one when that is gone', async () => {
    const old = await sessionOf('old');
    await harness.clock.advance(10);
    await open('new');
    const gate = deferred();
    harness.maker.closing = gate.promise;
    const third = open('third');
    await settled();
    expect(harness.ended).toEqual([{ session: old, reason: 'evicted to make room' }]);
    expect(harness.maker.made).toHaveLength(2);
    gate.resolve();
    expect(await third).toMatchObject({ created: true });
    expect(harness.maker.peak).toBe(2);
  });

  test('has no more sandboxes than it may when several opens come while others close', async () => {
    await Promise.all([open('a'), open('b')]);
    const gate = deferred();
    harness.maker.closing = gate.promise;
    const opens = [refusal(open('c')), refusal(open('d')), refusal(open('e'))];
    await settled();
    gate.resolve();
    expect(await Promise.all(opens)).toEqual(['no error', 'no error', 'CAPACITY: the pool is full and every session is working']);
    expect(harness.maker.peak).toBe(2);
  });

  test('closes one whose controller is away before one whose controller is there', async () => {
    const away = await sessionOf('away', 'two');
    await harness.clock.advance(10);
    harness.pool.controllerLost('two');
    const here = await sessionOf('here');
    here.lastUsedAtMs -= 1000;
    await open('third');
    expect(harness.ended.map(({ session }) => session)).toEqual([away]);
  });

  test('never closes a session with a command or a call in flight: CAPACITY', async () => {
    const a = await sessionOf('a');
    await open('b');
    harness.maker.made[1]?.execs.start({ execId: 'x' } as never);
    const call = deferred();
    const using = a.use(() => call.promise);
    expect(await refusal(open('c'))).toBe('CAPACITY: the pool is full and every session is working');
    call.resolve();
    await using;
    expect(await open('c')).toMatchObject({ created: true });
    expect(harness.ended.map(({ session }) => session)).toEqual([a]);
  });

  test('takes no new call on the session it evicts', async () => {
    const a = await sessionOf('a');
    await open('b');
    const third = open('c');
    expect(await refusal(a.use(async () => undefined))).toBe('SESSION_EXPIRED: evicted to make room');
    await third;
  });

  test('evicts nobody for a tenant that is over its ceiling', async () => {
    harness = poolHarness({ maxSessions: 2, perTenant: { sandboxes: 1 } });
    await open('theirs', 'two', {}, globex);
    await open('a');
    expect(await refusal(open('b'))).toMatch(/^QUOTA_EXCEEDED: quota sandboxes of tenant acme is 1/);
    expect(harness.ended).toEqual([]);
  });

  test('gives the quota back when it can evict nobody', async () => {
    harness = poolHarness({ maxSessions: 1, perTenant: { sandboxes: 2 } });
    const session = await sessionOf('a');
    const call = deferred();
    const using = session.use(() => call.promise);
    for (let n = 0; n < 3; n += 1) expect(await refusal(open('b'))).toMatch(/^CAPACITY/);
    call.resolve();
    await using;
    expect(await open('b')).toMatchObject({ created: true });
  });
});

describe('a session ends', () => {
  test('by its time to live, whatever it does', async () => {
    const session = await sessionOf('s', 'one', { ttlMs: 5000 });
    harness.maker.made[0]?.execs.start({ execId: 'x' } as never);
    await harness.clock.advance(6000);
    expect(harness.ended).toEqual([{ session, reason: 'its time to live is over' }]);
  });

  test('by idleness, counted from the end of its last call', async () => {
    const session = await sessionOf('s', 'one', { idleMs: 5000 });
    const call = deferred();
    const using = session.use(() => call.promise);
    await harness.clock.advance(20_000);
    expect(harness.ended).toEqual([]);
    call.resolve();
    await using;
    await harness.clock.advance(4000);
    expect(harness.ended).toEqual([]);
    await harness.clock.advance(2000);
    expect(harness.ended.map(({ reason }) => reason)).toEqual(['it was idle for too long']);
  });

  test('once, however often and by whomever it is closed, and its quota comes back once', async () => {
    harness = poolHarness({ perTenant: { sandboxes: 1 } });
    const session = await sessionOf('s');
    harness.maker.made[0]?.die('killed');
    await Promise.all([harness.pool.close(session, 'a'), harness.pool.close(session, 'b'), harness.pool.close(session, 'c')]);
    await settled();
    expect(harness.ended).toHaveLength(1);
    expect(harness.audit.of('sandbox.close')).toHaveLength(1);
    await open('t');
    expect(await refusal(open('u'))).toMatch(/^QUOTA_EXCEEDED/);
  });

  test('while it starts: when it has been made, and nothing is left', async () => {
    const gate = deferred();
    harness.maker.making = gate.promise;
    const opening = refusal(open('s'));
    await settled();
    const [session] = harness.pool.list({}, acme);
    expect(await refusal(() => session?.sandbox())).toBe('SESSION_BUSY: it is starting');
    const closing = harness.pool.close(session!, 'closed by its controller');
    gate.resolve();
    await closing;
    expect(await opening).toBe('SESSION_EXPIRED: closed by its controller');
    expect(harness.maker.alive).toEqual([]);
  });

  test('although the engine fails to remove its container, and that is on record', async () => {
    const session = await sessionOf('s');
    harness.maker.failsToClose = true;
    await harness.pool.close(session, 'test');
    expect(harness.pool.list({}, acme)).toEqual([]);
    expect(harness.audit.of('sandbox.close')).toMatchObject([{ outcome: 'failed' }]);
  });

  test('although the audit log is full', async () => {
    const session = await sessionOf('s');
    harness.audit.isFull = true;
    await harness.pool.close(session, 'test');
    expect(harness.maker.alive).toEqual([]);
    expect(harness.pool.list({}, acme)).toEqual([]);
  });

  test('with what becomes of its workspace as it was opened, unless the close says otherwise', async () => {
    await harness.pool.close(await sessionOf('a', 'one', { workspace: { retain: 'delete' } }), 'test');
    await harness.pool.close(await sessionOf('b', 'one', { workspace: { retain: 'delete' } }), 'test', 'keep');
    await harness.pool.close(await sessionOf('c'), 'test');
    expect(harness.maker.made.map(({ closed }) => closed?.workspace)).toEqual(['delete', 'keep', 'keep']);
  });

  test('by its death: a late call learns the cause, another tenant learns nothing', async () => {
    const { id } = await sessionOf('s');
    harness.maker.made[0]?.die('its container ended');
    await settled();
    expect(await refusal(() => harness.pool.find(id, acme))).toBe('SANDBOX_FAILED: its container ended');
    expect(await refusal(() => harness.pool.find(id, globex))).toBe('NOT_FOUND: there is none of this id');
    expect(await refusal(() => harness.pool.find(id, principal({ session: 'other' })))).toBe('NOT_FOUND: there is none of this id');
  });
});

describe('a pool that stops', () => {
  test('refuses opens, also one that waited for a session to close', async () => {
    const session = await sessionOf('s');
    const gate = deferred();
    harness.maker.closing = gate.promise;
    void harness.pool.close(session, 'test');
    const waiting = refusal(open('s'));
    const draining = harness.pool.drain('close', 0);
    expect(await refusal(open('t'))).toBe('SHUTTING_DOWN: the daemon is stopping');
    gate.resolve();
    expect(await waiting).toBe('SHUTTING_DOWN: the daemon is stopping');
    await draining;
    expect(harness.maker.alive).toEqual([]);
  });

  test('answers an open under way SHUTTING_DOWN and leaves nothing of it', async () => {
    harness = poolHarness({ creating: 1 });
    harness.maker.making = new Promise(() => undefined);
    const opens = [refusal(open('a')), refusal(open('b'))];
    await settled();
    await harness.pool.drain('close', 0);
    expect(await Promise.all(opens)).toEqual(['SHUTTING_DOWN: the daemon is stopping', 'SHUTTING_DOWN: the daemon is stopping']);
    expect(harness.maker.made).toEqual([]);
  });

  test('waits for running commands until the deadline, and no longer', async () => {
    await open('s');
    const [sandbox] = harness.maker.made;
    const execution = sandbox!.execs.start({ execId: 'x' } as never);
    const draining = harness.pool.drain('close', 5000);
    await harness.clock.advance(3000);
    expect(sandbox?.closed).toBeNull();
    execution.end();
    await harness.clock.advance(100);
    await draining;
    expect(sandbox?.closed).toMatchObject({ runningThen: 0 });
  });

  test('with keep leaves sandboxes to the next daemon, except what closes already', async () => {
    await open('kept');
    const going = await sessionOf('going');
    const gate = deferred();
    harness.maker.closing = gate.promise;
    void harness.pool.close(going, 'test');
    const draining = harness.pool.drain('keep', 0);
    await settled();
    gate.resolve();
    await draining;
    expect(harness.maker.made.map(({ isDetached, closed }) => [isDetached, closed === null])).toEqual([
      [true, true],
      [false, false],
    ]);
  });
});

test('adopted sandboxes count against the quota although it is exceeded, and live on', async () => {
  const before = poolHarness();
  await Promise.all(['a', 'b'].map((name) => before.pool.open(openRequest(name), acme, 'one')));
  const maker = new FakeMaker();
  maker.left = before.maker.made.map(({ order }) => ({ order, sandbox: asRunning(new FakeSandbox(order, maker)) }));
  harness = poolHarness({ maker, perTenant: { sandboxes: 1 } });
  expect(await harness.pool.adopt()).toBe(2);
  expect(await refusal(open('c'))).toMatch(/^QUOTA_EXCEEDED: quota sandboxes of tenant acme is 1, in use 2/);
  await harness.pool.close(await sessionOf('a'), 'test');
  expect(await refusal(open('c'))).toMatch(/in use 1/);
  await harness.pool.close(await sessionOf('b'), 'test');
  expect(await open('c')).toMatchObject({ created: true });
});

test('a list shows what the token may see, and nothing of others', async () => {
  harness = poolHarness();
  await open('a', 'one', { labels: { agent: 'x' } });
  await open('b');
  await open('c', 'two', {}, globex);
  const names = (who = acme, request = {}) => harness.pool.list(request, who).map(({ session }) => session);
  expect(names()).toEqual(['a', 'b']);
  expect(names(acme, { tenant: 'globex' })).toEqual([]);
  expect(names(acme, { labels: { agent: 'x' } })).toEqual(['a']);
  expect(names(principal({ session: 'b' }))).toEqual(['b']);
  expect(names(principal({ role: 'operator', tenant: null }))).toEqual(['a', 'b', 'c']);
  expect(names(principal({ role: 'operator', tenant: null }), { tenant: 'globex' })).toEqual(['c']);
});

test('a client that comes back for its sandbox gets that one or the reason why not, and never makes another', async () => {
  const { id } = await open('s');
  const again = (sandbox: string) => refusal(open('s', 'one', { sandbox }));
  expect(await again(id)).toBe('no error');
  const other = 'sb_aaaaaaaaaaaaaaaaaaaa';
  expect(await again(other)).toBe('SESSION_EXPIRED: it has ended');
  await harness.pool.close(harness.pool.find(id, acme), 'closed by its client');
  expect(await again(id)).toBe('SESSION_EXPIRED: closed by its client');
  await open('s');
  expect(await again(id)).toBe('SESSION_EXPIRED: closed by its client');
  expect(harness.maker.made).toHaveLength(2);
});
