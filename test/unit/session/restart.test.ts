// Restarting the sandbox of a live session: another one for the same session, and nothing lives in between.

import { beforeEach, expect, test } from 'vitest';
import type { Session } from '../../../daemon/session/session.ts';
import { settled } from '../../support/fake-clock.ts';
import { openRequest, poolHarness, principal, refusal, type PoolHarness } from '../../support/fake-sandbox.ts';

const acme = principal();
let harness: PoolHarness;
let session: Session;
const open = (more = {}) => harness.pool.open(openRequest('s', more), acme, 'one');
const restart = (between: () => Promise<void> = async () => undefined) =>
  harness.pool.restart(session, { by: 'caller', reason: 'restored', between });

beforeEach(async () => {
  harness = poolHarness();
  session = harness.pool.find((await open({ ttlMs: 50_000, labels: { agent: 'a' } })).id, acme);
});

test('keeps session, id, lease and deadline, and the callback runs while no sandbox lives', async () => {
  const [former] = harness.maker.made;
  await restart(async () => {
    expect(harness.maker.alive).toEqual([]);
    expect(await refusal(() => session.sandbox())).toBe('SESSION_BUSY: it is starting');
  });
  const [, present] = harness.maker.made;
  expect(former?.closed).toMatchObject({ workspace: 'keep', reason: 'restored' });
  expect(present?.order).toMatchObject({ ...former?.order });
  expect([session.state, session.controller, session.runningSandbox?.id]).toEqual(['running', 'one', session.id]);
  expect(await open()).toMatchObject({ id: session.id, created: false, startKind: 'attached' });
  // The one that was ended does not end the session any more.
  former?.die('late');
  await settled();
  expect(session.state).toBe('running');
  present?.die('its container ended');
  await settled();
  expect(harness.ended.map(({ reason }) => reason)).toEqual(['its container ended']);
});

test('starts again after a callback that fails, and then says so', async () => {
  await expect(restart(() => Promise.reject(new Error('no such snapshot')))).rejects.toThrow('no such snapshot');
  expect([session.state, harness.maker.alive.length]).toEqual(['running', 1]);
});

test('that can not start again ends the session, and gives back what it held', async () => {
  harness.maker.failure = new Error('the engine is gone');
  await expect(restart()).rejects.toThrow('the engine is gone');
  expect(harness.ended.map(({ session: { state }, reason }) => [state, reason])).toEqual([
    ['failed', 'its sandbox could not be started again (Error: the engine is gone)'],
  ]);
  expect(await refusal(() => harness.pool.find(session.id, acme))).toContain('SANDBOX_FAILED: its sandbox could not be started again');
  harness.maker.failure = null;
  expect(await open()).toMatchObject({ created: true });
});

test('an open meanwhile waits for it, and a close ends it afterwards', async () => {
  let release: () => void = () => undefined;
  const restarting = restart(() => new Promise((resolve) => (release = resolve)));
  await settled();
  const joined = open();
  const closing = harness.pool.close(session, 'asked');
  await settled();
  release();
  await Promise.all([restarting, closing]);
  expect(await refusal(joined)).toMatch(/SESSION_EXPIRED|SESSION_BUSY/);
  expect(harness.maker.alive).toEqual([]);
});

test('of a session that closes is refused', async () => {
  const closing = harness.pool.close(session, 'asked');
  expect(await refusal(restart())).toMatch(/^SESSION_BUSY|^SESSION_EXPIRED/);
  await closing;
});
