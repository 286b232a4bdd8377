// A container goes for sure, however long the engine is away.

import { beforeEach, expect, test } from 'vitest';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { removeContainer } from '../../../daemon/session/remove-container.ts';
import { FakeDriver } from '../../../daemon/testing/fake-driver.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { refusal, silentLog } from '../../support/fake-sandbox.ts';

let driver: FakeDriver;
let clock: FakeClock;
let leaving: AbortController;
beforeEach(() => {
  driver = new FakeDriver();
  clock = new FakeClock();
  leaving = new AbortController();
});
const remove = () => removeContainer('cloister-x', { driver, clock, log: silentLog, leaving: leaving.signal });
const away = () => driver.failNext('remove', new SandboxError('ENGINE_UNAVAILABLE', 'Cannot remove it: nobody there'));
const asked = () => driver.calls.filter((call) => call.startsWith('remove')).length;

test('an engine that is away is asked again until it has done it', async () => {
  away();
  const removing = remove();
  await clock.advance(400);
  expect(asked()).toBe(1);
  away();
  await clock.advance(100);
  await clock.advance(1000);
  expect(await refusal(removing)).toBe('no error');
  expect(asked()).toBe(3);
  expect(clock.timers).toBe(0);
});

test('a daemon that stops waits no longer and tries once more', async () => {
  away();
  const removing = remove();
  await clock.advance(10);
  away();
  leaving.abort();
  expect(await refusal(removing)).toBe('ENGINE_UNAVAILABLE: nobody there');
  expect([asked(), clock.timers]).toEqual([2, 0]);
});

test('what the engine refuses is not asked again', async () => {
  driver.failNext('remove', new SandboxError('SANDBOX_FAILED', 'Cannot remove it: busy'));
  expect(await refusal(remove())).toBe('SANDBOX_FAILED: busy');
  expect(asked()).toBe(1);
});
