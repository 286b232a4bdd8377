// Whatever clients do and in whatever order: never two sandboxes of one session, never more than the ceilings allow,
// nobody's work evicted, one answer per open, and in the end everything given back.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { DEFAULT_LIMITS } from '../../../client/protocol/limits.ts';
import { TenantName } from '../../../client/protocol/names.ts';
import { settled } from '../../support/fake-clock.ts';
import { openRequest, poolHarness, principal, type PoolHarness } from '../../support/fake-sandbox.ts';

const TENANTS = ['acme', 'globex'].map((tenant) => principal({ tenant }));
const MAX_SESSIONS = 3;
const MAX_PER_TENANT = 2;
const HOST_CPUS = 4;

type Step =
  | {
      readonly kind: 'open';
      readonly tenant: number;
      readonly session: string;
      readonly client: string;
      readonly role: string;
      readonly takeover: boolean;
    }
  | { readonly kind: 'close' | 'die' | 'work' | 'rest'; readonly nth: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'lose' | 'forget'; readonly client: string }
  | { readonly kind: 'block' | 'unblock' | 'break' | 'mend' | 'settle' };

const nth = fc.nat(5);
const client = fc.constantFrom('one', 'two');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('open' as const),
      tenant: fc.nat(1),
      session: fc.constantFrom('a', 'b', 'c'),
      client,
      role: fc.constantFrom('controller', 'controller', 'participant', 'observer'),
      takeover: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom('close' as const, 'die' as const, 'work' as const, 'rest' as const), nth }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(500, 5000, 61_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('lose' as const, 'forget' as const), client }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('block' as const, 'unblock' as const, 'break' as const, 'mend' as const, 'settle' as const),
    }),
  },
);

function check({ maker, ended }: PoolHarness): void {
  const alive = maker.alive.map(({ order }) => order);
  expect(new Set(alive.map(({ tenant, session }) => `${tenant}/${session}`)).size, 'one sandbox per session').toBe(alive.length);
  expect(alive.length, 'sandboxes that live').toBeLessThanOrEqual(MAX_SESSIONS);
  expect(
    alive.reduce((sum, { policy }) => sum + policy.limits.cpus, 0),
    'cpus of the host',
  ).toBeLessThanOrEqual(HOST_CPUS);
  for (const tenant of ['acme', 'globex'])
    expect(alive.filter((order) => order.tenant === tenant).length, 'sandboxes of one tenant').toBeLessThanOrEqual(MAX_PER_TENANT);
  for (const { closed } of maker.made)
    if (closed?.reason === 'evicted to make room') expect(closed.runningThen, 'work in flight of who was evicted').toBe(0);
  expect(new Set(ended.map(({ session }) => session)).size, 'one end per session').toBe(ended.length);
}

test('under random operations', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const harness = poolHarness({
        maxSessions: MAX_SESSIONS,
        perTenant: { sandboxes: MAX_PER_TENANT },
        host: { cpus: HOST_CPUS },
        creating: 2,
      });
      const { pool, maker, clock } = harness;
      const answers: Promise<unknown>[] = [];
      let answered = 0;
      let release: () => void = () => undefined;
      const sandboxAt = (at: number) => maker.alive[at % Math.max(1, maker.alive.length)];
      for (const one of steps) {
        if (one.kind === 'open') {
          const { tenant, session, client: id, role, takeover } = one;
          const answer = pool.open(openRequest(session, { role, takeover }), TENANTS[tenant]!, id);
          answers.push(
            answer
              .catch((error: unknown) => expect(SandboxError.is(error) || (error as Error).message === 'broken', String(error)).toBe(true))
              .finally(() => (answered += 1)),
          );
        } else if (one.kind === 'close' || one.kind === 'die' || one.kind === 'work' || one.kind === 'rest') {
          const sandbox = sandboxAt(one.nth);
          const session = TENANTS.flatMap((who) => pool.list({}, who)).find(({ id }) => id === sandbox?.id);
          if (one.kind === 'close' && session !== undefined) void pool.close(session, 'asked');
          else if (one.kind === 'die') sandbox?.die('died');
          else if (one.kind === 'work') sandbox?.execs.start({ execId: 'x' } as never);
          else sandbox?.execs.get('x')?.end();
        } else if (one.kind === 'wait') await clock.advance(one.ms);
        else if (one.kind === 'lose') pool.controllerLost(one.client);
        else if (one.kind === 'forget') pool.controllerGone(one.client);
        else if (one.kind === 'block') {
          const former = release;
          const gate = new Promise<void>((resolve) => {
            release = () => {
              former();
              resolve();
            };
          });
          maker.making = gate;
          maker.closing = gate;
        } else if (one.kind === 'unblock') release();
        else if (one.kind === 'break') maker.failure = new Error('broken');
        else if (one.kind === 'mend') maker.failure = null;
        else await settled();
        check(harness);
      }
      release();
      maker.making = Promise.resolve();
      maker.closing = Promise.resolve();
      await Promise.all(answers);
      expect(answered, 'one answer per open').toBe(answers.length);
      await pool.drain('close', 0);
      check(harness);
      expect(maker.alive).toEqual([]);
      // All of it can be had again: nothing was kept, nothing given back twice.
      for (const tenant of ['acme', 'globex'].map((name) => TenantName.parse(name)))
        for (let n = 0; n < MAX_PER_TENANT; n += 1) harness.quotas.reserve(tenant, DEFAULT_LIMITS);
      expect(() => harness.quotas.reserve(TenantName.parse('third'), DEFAULT_LIMITS)).toThrow("the host's cpus ceiling 4 is reached");
    }),
    { numRuns: 300 },
  );
});
