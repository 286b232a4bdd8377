import { expect, test } from 'vitest';
import { Later } from '../../../daemon/session/later.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function counted(clock: FakeClock): { readonly later: Later; readonly runs: () => number } {
  let runs = 0;
  const later = new Later(clock, 500, async () => {
    runs += 1;
  });
  return { later, runs: () => runs };
}

test('work that may wait is done when its time has come, and not before', async () => {
  const clock = new FakeClock();
  const { later, runs } = counted(clock);
  await clock.advance(499);
  expect(runs()).toBe(0);
  await clock.advance(1);
  expect(runs()).toBe(1);
  await later.done();
  expect(runs()).toBe(1);
});

test('whoever needs it done has it done at once, and it is not done again', async () => {
  const clock = new FakeClock();
  const { later, runs } = counted(clock);
  await Promise.all([later.done(), later.done()]);
  expect(runs()).toBe(1);
  await clock.advance(1000);
  expect(runs()).toBe(1);
});
