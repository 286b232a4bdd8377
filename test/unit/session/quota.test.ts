// Ceilings: nothing above them, everything given back, exactly once.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS, type Limits } from '../../../client/protocol/limits.ts';
import { TenantName } from '../../../client/protocol/names.ts';
import { Quotas } from '../../../daemon/session/quota.ts';
import { refusal } from '../../support/fake-sandbox.ts';

const acme = TenantName.parse('acme');
const globex = TenantName.parse('globex');
const limits = (more: Partial<Limits>): Limits => ({ ...DEFAULT_LIMITS, ...more });

test.each<[keyof Limits, number]>([
  ['memoryBytes', 1000],
  ['cpus', 0.3],
  ['diskBytes', 1000],
  ['execs', 5],
])('the sum of %s of a tenant stays below its ceiling, and the message says how much is in use', async (key, ceiling) => {
  const quotas = new Quotas({ perTenant: { [key]: ceiling }, host: {} });
  const third = ceiling / 3;
  const release = quotas.reserve(acme, limits({ [key]: key === 'cpus' ? 0.1 : Math.floor(third) }));
  quotas.reserve(acme, limits({ [key]: key === 'cpus' ? 0.2 : ceiling - Math.floor(third) }));
  expect(await refusal(() => quotas.reserve(acme, limits({ [key]: 0.05 })))).toBe(
    `QUOTA_EXCEEDED: quota ${key} of tenant acme is ${ceiling}, in use ${ceiling}, asked 0.05`,
  );
  expect(await refusal(() => quotas.reserve(globex, limits({ [key]: ceiling })))).toBe('no error');
  release();
  release();
  expect(await refusal(() => quotas.reserve(acme, limits({ [key]: key === 'cpus' ? 0.1 : Math.floor(third) })))).toBe('no error');
  expect(await refusal(() => quotas.reserve(acme, limits({ [key]: 0.05 })))).toMatch(/^QUOTA_EXCEEDED/);
});

test('what is refused by the host takes nothing from the tenant', async () => {
  const quotas = new Quotas({ perTenant: { sandboxes: 1 }, host: { cpus: 1 } });
  const release = quotas.reserve(globex, limits({ cpus: 1 }));
  expect(await refusal(() => quotas.reserve(acme, limits({ cpus: 1 })))).toBe("CAPACITY: the host's cpus ceiling 1 is reached");
  release();
  expect(await refusal(() => quotas.reserve(acme, limits({ cpus: 1 })))).toBe('no error');
});

test('whatever is reserved and given back, the ceiling holds and all of it can be had again', () => {
  const cpus = fc.integer({ min: 1, max: 300 }).map((hundredths) => hundredths / 100);
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.record({ cpus }), fc.record({ giveBack: fc.nat(20) })), { maxLength: 60 }), (steps) => {
      const quotas = new Quotas({ perTenant: {}, host: { cpus: 4 } });
      const held: { readonly cpus: number; readonly release: () => void }[] = [];
      for (const step of steps) {
        if ('giveBack' in step) held.splice(step.giveBack, 1)[0]?.release();
        else {
          const used = Math.round(held.reduce((sum, one) => sum + one.cpus, 0) * 100);
          const fits = used + Math.round(step.cpus * 100) <= 400;
          const reserve = () => held.push({ cpus: step.cpus, release: quotas.reserve(acme, limits({ cpus: step.cpus })) });
          if (fits) reserve();
          else expect(reserve).toThrow('ceiling 4 is reached');
        }
      }
      for (const one of held) one.release();
      expect(() => quotas.reserve(acme, limits({ cpus: 4 }))).not.toThrow();
    }),
  );
});
