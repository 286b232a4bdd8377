// Pausing: only where nothing runs, unless it is forced; whoever calls gets a sandbox that runs; idle ones are paused.

import { beforeEach, describe, expect, test } from 'vitest';
import type { Session } from '../../../daemon/session/session.ts';
import { settled } from '../../support/fake-clock.ts';
import { type FakeSandbox, openRequest, poolHarness, principal, refusal, type PoolHarness } from '../../support/fake-sandbox.ts';

const acme = principal();
let harness: PoolHarness;
let session: Session;
let sandbox: FakeSandbox;

beforeEach(async () => {
  harness = poolHarness({ pauseIdleMs: 60_000 });
  session = harness.pool.find((await harness.pool.open(openRequest('s', { idleMs: 600_000 }), acme, 'one')).id, acme);
  sandbox = harness.maker.made[0]!;
});

const deferred = () => {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
};

describe('a sandbox', () => {
  test('that is paused says so, and twice is once', async () => {
    await Promise.all([session.pause({ isForced: false }), session.pause({ isForced: false })]);
    expect([session.info().state, sandbox.pauses]).toEqual(['paused', ['pause']]);
    expect(harness.pool.list({ state: 'paused' }, acme)).toEqual([session]);
    await session.resume();
    await session.resume();
    expect([session.info().state, sandbox.pauses]).toEqual(['running', ['pause', 'resume']]);
  });

  test('in which a command runs is not paused unless it is forced', async () => {
    sandbox.execs.start({ execId: 'x' } as never);
    expect(await refusal(session.pause({ isForced: false }))).toBe('SESSION_BUSY: 1 commands and 0 calls are under way');
    await session.pause({ isForced: true });
    expect(session.info().state).toBe('paused');
  });

  test('in which a call is under way is not paused', async () => {
    const call = deferred();
    const using = session.use(() => call.promise);
    expect(await refusal(session.pause({ isForced: false }))).toBe('SESSION_BUSY: 0 commands and 1 calls are under way');
    call.resolve();
    await using;
    await session.pause({ isForced: false });
  });
});

test('a pause that the engine refuses because the session ends says why it ends', async () => {
  sandbox.pause = async () => {
    session.ending('closing', 'it was evicted');
    throw new Error('cannot pause a stopped container');
  };
  expect(await refusal(session.pause({ isForced: false }))).toBe('SESSION_EXPIRED: it was evicted');
});

describe('a call', () => {
  test('of a paused sandbox resumes it first', async () => {
    await session.pause({ isForced: false });
    expect(await session.use(async () => [...sandbox.pauses])).toEqual(['pause', 'resume']);
    expect(session.info().state).toBe('running');
  });

  test('that comes while it is being paused waits for both', async () => {
    const step = deferred();
    sandbox.pausing = step.promise;
    const pausing = session.pause({ isForced: false });
    await settled();
    let ran = false;
    const using = session.use(async () => (ran = true));
    await settled();
    expect([ran, sandbox.pauses]).toEqual([false, ['pause']]);
    step.resolve();
    await Promise.all([pausing, using]);
    expect([ran, sandbox.pauses]).toEqual([true, ['pause', 'resume']]);
  });

  test('that can not resume it fails, and the next one tries again', async () => {
    await session.pause({ isForced: false });
    sandbox.pausing = Promise.reject(new Error('the engine does not answer'));
    sandbox.pausing.catch(() => undefined);
    await expect(session.use(async () => 1)).rejects.toThrow('the engine does not answer');
    sandbox.pausing = Promise.resolve();
    expect(await session.use(async () => 2)).toBe(2);
  });
});

describe('an idle sandbox', () => {
  test('is paused after its time, resumed by the next call, and paused again', async () => {
    await harness.clock.advance(59_000);
    expect(sandbox.pauses).toEqual([]);
    await harness.clock.advance(2000);
    expect(sandbox.pauses).toEqual(['pause']);
    await session.use(async () => undefined);
    await harness.clock.advance(59_000);
    expect(sandbox.pauses).toEqual(['pause', 'resume']);
    await harness.clock.advance(2000);
    expect(sandbox.pauses).toEqual(['pause', 'resume', 'pause']);
  });

  test('with a command in the background is left alone', async () => {
    sandbox.execs.start({ execId: 'server', background: true } as never);
    await harness.clock.advance(300_000);
    expect(sandbox.pauses).toEqual([]);
  });

  test('still ends by its idle time, which a pause does not stop', async () => {
    await harness.clock.advance(601_000);
    expect(harness.ended.map(({ reason }) => reason)).toEqual(['it was idle for too long']);
    expect(sandbox.isGone).toBe(true);
  });
});
