// Turns: tenants are served one after the other, however much one of them asks for, and each in the order it asked.

import PQueue from 'p-queue';
import { expect, test } from 'vitest';
import { type TurnOptions, Turns } from '../../../daemon/session/turns.ts';
import { openRequest, poolHarness, principal } from '../../support/fake-sandbox.ts';
import { settled } from '../../support/fake-clock.ts';

const run = () => Promise.resolve();

test('go round the tenants', () => {
  const turns = new Turns();
  const names = new Map<() => Promise<unknown>, string>();
  for (const [tenant, name] of [
    ['a', 'a1'],
    ['a', 'a2'],
    ['a', 'a3'],
    ['b', 'b1'],
    ['c', 'c1'],
    ['b', 'b2'],
  ] as const) {
    const task = () => run();
    names.set(task, name);
    turns.enqueue(task, { tenant });
  }
  expect(turns.size).toBe(6);
  const order = Array.from({ length: 7 }, () => names.get(turns.dequeue() ?? run));
  expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', undefined]);
  expect(turns.size).toBe(0);
});

test('of one that comes late begin behind those who wait, not behind all that they wait for', async () => {
  const queue = new PQueue<Turns, TurnOptions>({ concurrency: 1, queueClass: Turns });
  const done: string[] = [];
  const add = (tenant: string, name: string): Promise<unknown> => queue.add(async () => void done.push(name), { tenant });
  const all = [...Array.from({ length: 5 }, (_, n) => add('big', `big-${n}`)), add('small', 'small')];
  await Promise.all(all);
  expect(done.slice(0, 3)).toContain('small');
});

test('hold for opens: a tenant that opens many does not make another one wait for all of them', async () => {
  const { pool, maker } = poolHarness({ creating: 1 });
  const big = Array.from({ length: 10 }, (_, n) => pool.open(openRequest(`s${n}`), principal(), 'one'));
  const small = pool.open(openRequest('mine'), principal({ tenant: 'globex' }), 'two');
  await Promise.all([...big, small]);
  await settled();
  expect(maker.made.findIndex(({ order }) => order.tenant === 'globex')).toBeLessThanOrEqual(2);
});
