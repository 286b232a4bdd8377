// The scripts against a real Redis, with a clock of the test's: whatever members do, die and forget, a session has one owner.

import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PlacedSession, PlacementStore } from '../../../daemon/fleet/placement-store.ts';
import { RedisLink } from '../../../daemon/fleet/redis-link.ts';
import { createLog } from '../../../daemon/observe/log.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';

const LEASE_MS = 1000;
const GRACE_MS = 2000;
const MEMBERS = ['a', 'b', 'c'] as const;
const SESSIONS = ['x', 'y', 'z'] as const;
const MAX_SANDBOXES = 2;
const limits = { memoryBytes: 1, cpus: 0.5, diskBytes: 1, execs: 1 };

type Step =
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'beat' | 'die' | 'forget'; readonly by: string }
  | { readonly kind: 'open'; readonly by: string; readonly session: string; readonly isKept: boolean; readonly isFresh: boolean }
  | { readonly kind: 'close'; readonly by: string; readonly session: string; readonly isKept: boolean };

const member = fc.constantFrom(...MEMBERS);
const session = fc.constantFrom(...SESSIONS);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('pass'), ms: fc.constantFrom(100, 900, 1100, 3100) }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('beat'), by: member }) },
  fc.record({ kind: fc.constantFrom('die', 'forget'), by: member }),
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('open'), by: member, session, isKept: fc.boolean(), isFresh: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('close'), by: member, session, isKept: fc.boolean() }) },
);

let redis: TestRedis;
let link: RedisLink;
/** Members and tenants of one run, apart from those of the others. */
let run = 0;
let nowMs = 1_000_000;

beforeAll(async () => {
  redis = await startRedis();
  link = new RedisLink({ url: redis.url, log: createLog({ level: 'silent', destination: process.stderr }) });
  link.start();
  await eventually(
    () => link.isUp,
    (isUp) => isUp,
  );
  await storeOf('opener').heartbeat(recordOf('opener'));
  nowMs += LEASE_MS;
});
afterAll(async () => {
  link.close();
  await redis[Symbol.asyncDispose]();
});

const storeOf = (self: string): PlacementStore =>
  new PlacementStore({ run: (script, args) => link.run(script, args), self, leaseMs: LEASE_MS, graceMs: GRACE_MS, now: () => nowMs });
const recordOf = (id: string) => ({
  id,
  url: `http://${id}:1`,
  version: '1',
  previewPort: 1,
  sessions: 0,
  maxSessions: 9,
  isDraining: false,
});

/** One member as the daemon is: what it holds it serves until it is told that it is another's. */
class Model {
  readonly id: string;
  readonly store: PlacementStore;
  readonly held = new Map<string, { epoch: number; readonly placed: PlacedSession }>();
  /** Until which time nobody may take from it. */
  safeUntilMs = 0;

  constructor(id: string) {
    this.id = id;
    this.store = storeOf(id);
  }

  /** Answers the sessions that it has lost. */
  async beat(): Promise<void> {
    const { hasLapsed } = await this.store.heartbeat(recordOf(this.id));
    if (hasLapsed)
      for (const [name, { placed, epoch }] of [...this.held]) {
        const answer = await this.store.reclaim(placed, epoch, `sb_${this.id}_${name}`);
        if (answer.verdict === 'lost') this.held.delete(name);
        else this.held.set(name, { placed, epoch: answer.epoch });
      }
    this.safeUntilMs = nowMs + LEASE_MS + GRACE_MS;
  }
}

async function play(steps: readonly Step[]): Promise<void> {
  run += 1;
  const models = new Map(MEMBERS.map((name) => [name as string, new Model(`${name}${run}`)]));
  /** Newest epoch of each session that was given to anybody. */
  const newest = new Map<string, number>();
  for (const model of models.values()) await model.beat();
  for (const next of steps) {
    if (next.kind === 'pass') {
      nowMs += next.ms;
      continue;
    }
    const model = models.get(next.by)!;
    if (next.kind === 'beat') await model.beat();
    // It restarts without what it had, or with that and without its epochs.
    if (next.kind === 'die') model.held.clear();
    if (next.kind === 'forget') for (const held of model.held.values()) held.epoch = 0;
    if (next.kind === 'close') {
      const held = model.held.get(next.session);
      if (held === undefined) continue;
      await model.store.release({ ...held.placed, isKept: next.isKept }, held.epoch, '');
      model.held.delete(next.session);
    }
    if (next.kind === 'open') {
      // As the daemon does: a member that opens has been heard of.
      await model.beat();
      const placed = { tenant: `t${run}`, session: next.session, workspace: next.session, isKept: next.isKept, limits };
      const answer = await model.store.acquire(placed, { sandboxes: MAX_SANDBOXES }, next.isFresh);
      if (answer.verdict !== 'acquired') continue;
      for (const other of models.values()) {
        if (other === model || !other.held.has(next.session)) continue;
        // Somebody else still believes to have it: then its lease and grace are over, and it will be told.
        expect(other.safeUntilMs).toBeLessThanOrEqual(nowMs);
        expect(next.isFresh || other.held.get(next.session)?.placed.isKept === false).toBe(true);
      }
      const isNew = model.held.get(next.session)?.epoch !== answer.epoch;
      if (isNew && answer.former !== null) expect(answer.epoch).toBeGreaterThan(newest.get(next.session) ?? 0);
      newest.set(next.session, Math.max(answer.epoch, newest.get(next.session) ?? 0));
      model.held.set(next.session, { epoch: answer.epoch, placed });
    }
  }
  // Everybody is back: who has a session has it alone, and no tenant has more than it may.
  nowMs += LEASE_MS + GRACE_MS;
  for (const model of models.values()) await model.beat();
  for (const name of SESSIONS) expect([...models.values()].filter(({ held }) => held.has(name)).length).toBeLessThanOrEqual(1);
  expect([...models.values()].reduce((sum, { held }) => sum + held.size, 0)).toBeLessThanOrEqual(MAX_SANDBOXES);
}

it('a session has one owner at a time, and a tenant no more than its ceiling, whatever members do', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => play(steps)),
    { numRuns: 100 },
  );
}, 60_000);
