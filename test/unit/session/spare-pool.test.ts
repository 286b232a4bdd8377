// Spares: as many as asked for and no more, one at a time and never in the way; each is given to one order, once.

import { beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../../client/protocol/limits.ts';
import { OpenRequest } from '../../../client/protocol/session.ts';
import { type GrantedPolicy, grantPolicy } from '../../../daemon/policy/grant-policy.ts';
import { Quotas } from '../../../daemon/session/quota.ts';
import { newSandboxId } from '../../../daemon/session/sandbox-id.ts';
import { type Spare, SparePool, type Target } from '../../../daemon/session/spare-pool.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { policySource, silentLog } from '../../support/fake-sandbox.ts';
import { TenantName } from '../../../client/protocol/names.ts';

const policy = (profile = 'workspace-write-no-network'): GrantedPolicy =>
  grantPolicy(OpenRequest.parse({ session: 'spare', profile }), policySource());

class FakeSpare implements Spare {
  readonly id = newSandboxId();
  readonly policy: GrantedPolicy;
  readonly died: Promise<string>;
  discarded: string | null = null;
  isStale = false;
  die: (cause: string) => void = () => undefined;

  constructor(of: GrantedPolicy) {
    this.policy = of;
    this.died = new Promise((resolve) => (this.die = resolve));
  }

  async isCurrent(): Promise<boolean> {
    return !this.isStale;
  }

  async discard(reason: string): Promise<void> {
    this.discarded ??= reason;
  }
}

let fake: FakeClock;
let made: FakeSpare[];
let targets: Target[];
let failure: Error | null;
let isBusy: boolean;
let quotas: Quotas;
let pool: SparePool<FakeSpare>;

beforeEach(() => {
  fake = new FakeClock();
  made = [];
  targets = [{ policy: policy(), size: 2 }];
  failure = null;
  isBusy = false;
  quotas = new Quotas({ perTenant: {}, host: { sandboxes: 3 } });
  pool = new SparePool({
    targets: () => targets,
    make: async (target) => {
      if (failure !== null) throw failure;
      const spare = new FakeSpare(target.policy);
      made.push(spare);
      return spare;
    },
    hold: ({ limits }) => quotas.holdSpare(limits),
    isBusy: () => isBusy,
    clock: fake,
    log: silentLog,
  });
  pool.start();
});
const any = (): boolean => true;
const free = (): number => pool.size;

describe('the pool', () => {
  test('fills up to its targets of each kind, and then rests', async () => {
    targets = [...targets, { policy: policy('readonly'), size: 1 }];
    await fake.advance(5000);
    expect(made.map((spare) => spare.policy.profileName)).toEqual(['workspace-write-no-network', 'workspace-write-no-network', 'readonly']);
    await fake.advance(300_000);
    expect(made.length).toBe(3);
  });

  test('makes none while somebody waits for a container', async () => {
    isBusy = true;
    await fake.advance(5000);
    expect(made).toEqual([]);
    isBusy = false;
    await fake.advance(5000);
    expect(free()).toBe(2);
  });

  test('tries again after failures, ever later, at most once a minute', async () => {
    failure = new Error('no engine');
    await fake.advance(300_000);
    failure = null;
    await fake.advance(60_000);
    expect(free()).toBe(2);
    expect(quotas.isCrowded).toBe(false);
  });

  test('replaces one that died, one of an old image and one nobody wants any more', async () => {
    await fake.advance(5000);
    made[0]?.die('its container ended');
    await fake.advance(5000);
    expect([free(), made[0]?.discarded, made.length]).toEqual([2, 'its container ended', 3]);
    made[1]!.isStale = true;
    await fake.advance(70_000);
    expect([free(), made[1]?.discarded]).toEqual([2, 'its image or policy is out of date']);
    targets = [{ policy: policy('readonly'), size: 1 }];
    await fake.advance(70_000);
    expect([free(), made.at(-1)?.policy.profileName]).toEqual([1, 'readonly']);
  });

  test('ends all of them when it stops, those promised to an order too, and makes no more', async () => {
    await fake.advance(5000);
    pool.reserve(any);
    await pool.stop();
    await fake.advance(60_000);
    expect(made.map(({ discarded }) => discarded)).toEqual(['the daemon stops', 'the daemon stops']);
  });
});

describe('a spare', () => {
  test('is given to one order only, and once', async () => {
    await fake.advance(5000);
    const ids = [pool.reserve(any), pool.reserve(any), pool.reserve(any)];
    expect(ids).toEqual([made[0]?.id, made[1]?.id, null]);
    expect([pool.take(ids[0]!), pool.take(ids[0]!)]).toEqual([made[0], null]);
  });

  test('that fits no order stays', async () => {
    await fake.advance(5000);
    expect([pool.reserve(() => false), free()]).toEqual([null, 2]);
  });

  test('that died is given to nobody', async () => {
    await fake.advance(5000);
    for (const spare of made.slice(0, 2)) spare.die('killed');
    await Promise.resolve();
    await Promise.resolve();
    expect(pool.reserve(any)).toBeNull();
  });
});

describe('places of the host', () => {
  const acme = TenantName.parse('acme');

  test('are never taken from a tenant: spares give way, oldest first, only as many as needed', async () => {
    await fake.advance(5000);
    quotas.reserve(acme, DEFAULT_LIMITS);
    expect(quotas.isCrowded).toBe(false);
    quotas.reserve(acme, DEFAULT_LIMITS);
    expect(quotas.isCrowded).toBe(true);
    await pool.giveUpWhile(() => quotas.isCrowded);
    expect([free(), made[0]?.discarded, made[1]?.discarded]).toEqual([1, 'its place is needed', null]);
    const release = quotas.reserve(acme, DEFAULT_LIMITS);
    expect(() => quotas.reserve(acme, DEFAULT_LIMITS)).toThrow("the host's sandboxes ceiling 3 is reached");
    await pool.giveUpWhile(() => quotas.isCrowded);
    expect(free()).toBe(0);
    await fake.advance(60_000);
    expect(free()).toBe(0);
    release();
    await fake.advance(5000);
    expect(free()).toBe(1);
  });
});
