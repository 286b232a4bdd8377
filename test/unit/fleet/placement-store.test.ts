import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type PlacedSession, PlacementStore } from '../../../daemon/fleet/placement-store.ts';
import { RedisLink } from '../../../daemon/fleet/redis-link.ts';
import { createLog } from '../../../daemon/observe/log.ts';
import { eventually } from '../../support/eventually.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';

const LEASE_MS = 1000;
const GRACE_MS = 2000;
const MIB = 1024 * 1024;
const limits = { memoryBytes: 512 * MIB, cpus: 1, diskBytes: 1024 * MIB, execs: 16 };

let redis: TestRedis;
let link: RedisLink;
/** Fresh for each test: what an earlier one left is long over. */
let nowMs = 1_000_000;

const memberStore = (self: string): PlacementStore =>
  new PlacementStore({ run: (script, args) => link.run(script, args), self, leaseMs: LEASE_MS, graceMs: GRACE_MS, now: () => nowMs });
const record = (id: string) => ({
  id,
  url: `http://${id}:7070`,
  version: '1',
  previewPort: 1,
  sessions: 0,
  maxSessions: 10,
  isDraining: false,
});
const beat = (store: PlacementStore, id: string) => store.heartbeat(record(id));
const asked = (more: Partial<PlacedSession> = {}): PlacedSession => ({
  tenant: 'acme',
  session: 'build',
  workspace: 'build',
  isKept: false,
  limits,
  ...more,
});

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
});
beforeEach(async () => {
  link?.close();
  await redis.restart({ isEmpty: true });
  link = new RedisLink({ url: redis.url, log: createLog({ level: 'silent', destination: process.stderr }) });
  link.start();
  await eventually(
    () => link.isUp,
    (isUp) => isUp,
  );
  return () => link.close();
});

/** Members that are there, in a directory that is old enough to place sessions. */
async function fleetOf(...ids: string[]): Promise<PlacementStore[]> {
  const stores = ids.map(memberStore);
  for (const [at, store] of stores.entries()) await beat(store, ids[at] ?? '');
  nowMs += LEASE_MS;
  for (const [at, store] of stores.entries()) await beat(store, ids[at] ?? '');
  return stores;
}

describe('the directory of a fleet', () => {
  it('gives a session to one member, and names it to the others', async () => {
    const [a, b] = (await fleetOf('a', 'b')) as [PlacementStore, PlacementStore];
    expect(await a.acquire(asked(), {}, false)).toEqual({ verdict: 'acquired', epoch: 1, former: null });
    expect(await b.acquire(asked(), {}, false)).toEqual({ verdict: 'elsewhere', owner: 'a', leftMs: LEASE_MS + GRACE_MS, isBound: false });
    expect(await b.locate('acme', 'build', 'build')).toMatchObject({
      at: 'member',
      id: 'a',
      member: { url: 'http://a:7070' },
      isBound: false,
    });
    expect(await b.locate('other', 'build', 'build')).toEqual({ at: 'nowhere' });
  });

  it('keeps the epoch of a session that its owner acquires again', async () => {
    const [a] = (await fleetOf('a')) as [PlacementStore];
    await a.acquire(asked(), {}, false);
    expect(await a.acquire(asked(), {}, false)).toMatchObject({ epoch: 1 });
    expect(await a.acquire(asked({ session: 'second', workspace: 'second' }), {}, false)).toMatchObject({ epoch: 2 });
  });

  it('places nothing while it is new: members may have what it has not heard of', async () => {
    const a = memberStore('a');
    expect(await a.acquire(asked(), {}, false)).toMatchObject({ verdict: 'settling' });
    await beat(a, 'a');
    expect(await a.acquire(asked(), {}, false)).toEqual({ verdict: 'settling', retryAfterMs: LEASE_MS });
    expect(await a.reclaim(asked(), 7, 'sb_x')).toEqual({ verdict: 'held', epoch: 7 });
    nowMs += LEASE_MS;
    await beat(a, 'a');
    expect(await a.acquire(asked({ session: 'next', workspace: 'next' }), {}, false)).toMatchObject({ epoch: 8 });
  });

  it('moves a session of a lost member after lease and grace, not before, and the former owner learns it', async () => {
    const [a, b] = (await fleetOf('a', 'b')) as [PlacementStore, PlacementStore];
    await a.acquire(asked(), {}, false);
    nowMs += LEASE_MS + GRACE_MS - 1;
    expect(await b.acquire(asked(), {}, false)).toMatchObject({ verdict: 'elsewhere', leftMs: 1 });
    nowMs += 1;
    expect(await b.acquire(asked(), {}, false)).toEqual({ verdict: 'acquired', epoch: 2, former: 'a' });
    expect(await beat(a, 'a')).toMatchObject({ hasLapsed: true });
    expect(await a.reclaim(asked(), 1, 'sb_x')).toEqual({ verdict: 'lost', owner: 'b' });
    expect(await a.release(asked(), 1, 'sb_x')).toBe(false);
  });

  it('tells the former owner, too, when the new one has closed the session already', async () => {
    const [a, b] = (await fleetOf('a', 'b')) as [PlacementStore, PlacementStore];
    await a.acquire(asked(), {}, false);
    nowMs += LEASE_MS + GRACE_MS;
    await b.acquire(asked(), {}, false);
    expect(await b.release(asked(), 2, 'sb_y')).toBe(true);
    expect(await a.reclaim(asked(), 1, 'sb_x')).toEqual({ verdict: 'lost', owner: '' });
    await beat(b, 'b');
    expect(await b.acquire(asked(), {}, false)).toMatchObject({ verdict: 'acquired', epoch: 3 });
  });

  it('never moves a kept workspace unless asked to begin afresh, and then only from a lost member', async () => {
    const [a, b] = (await fleetOf('a', 'b')) as [PlacementStore, PlacementStore];
    const kept = asked({ isKept: true });
    await a.acquire(kept, {}, false);
    expect(await b.acquire(kept, {}, true)).toMatchObject({ verdict: 'elsewhere' });
    nowMs += LEASE_MS + GRACE_MS;
    expect(await b.acquire(kept, {}, false)).toEqual({ verdict: 'elsewhere', owner: 'a', leftMs: 0, isBound: true });
    expect(await b.acquire(kept, {}, true)).toMatchObject({ verdict: 'acquired', former: 'a' });
    expect(await a.bind(['acme/build'])).toEqual(['acme/build']);
  });

  it('remembers where a kept workspace lies after its session, and forgets one that is deleted', async () => {
    const [a, b] = (await fleetOf('a', 'b')) as [PlacementStore, PlacementStore];
    await a.acquire(asked(), {}, false);
    await a.release(asked({ isKept: true }), 1, 'sb_x');
    expect(await b.locate('acme', 'build', 'build')).toMatchObject({ at: 'member', id: 'a', isBound: true });
    expect(await b.acquire(asked({ session: 'another' }), {}, false)).toMatchObject({ verdict: 'elsewhere', owner: 'a' });
    await a.acquire(asked(), {}, false);
    await a.release(asked(), 2, 'sb_x');
    expect(await b.locate('acme', 'build', 'build')).toEqual({ at: 'nowhere' });
  });

  it.each([
    ['sandboxes', { sandboxes: 2 }, 2],
    ['memoryBytes', { memoryBytes: 1300 * MIB }, 1024 * MIB],
    ['cpus', { cpus: 2.5 }, 2],
    ['diskBytes', { diskBytes: 2500 * MIB }, 2048 * MIB],
    ['execs', { execs: 40 }, 32],
  ])('refuses the third session over a ceiling of %s, whoever asks', async (ceiling, ceilings, used) => {
    const [a, b] = (await fleetOf('a', 'b')) as [PlacementStore, PlacementStore];
    await a.acquire(asked({ session: 'one', workspace: 'one' }), ceilings, false);
    await b.acquire(asked({ session: 'two', workspace: 'two' }), ceilings, false);
    const third = asked({ session: 'three', workspace: 'three' });
    expect(await b.acquire(third, ceilings, false)).toEqual({ verdict: 'quota', ceiling, used });
    expect(await b.acquire({ ...third, tenant: 'other' }, ceilings, false)).toMatchObject({ verdict: 'acquired' });
    await a.release(asked({ session: 'one' }), 1, 'sb_x');
    expect(await b.acquire(third, ceilings, false)).toMatchObject({ verdict: 'acquired' });
  });

  it('finds a sandbox by its id as long as its session is open', async () => {
    const [a, b] = (await fleetOf('a', 'b')) as [PlacementStore, PlacementStore];
    await a.acquire(asked(), {}, false);
    await a.reclaim(asked(), 1, 'sb_x');
    expect(await b.ownerOf('sb_x')).toMatchObject({ id: 'a', member: { id: 'a' } });
    await a.release(asked(), 1, 'sb_x');
    expect(await b.ownerOf('sb_x')).toBeNull();
  });

  it('knows all placements of a member, so that one whose sandboxes are gone can give them back', async () => {
    const [a, b] = (await fleetOf('a', 'b')) as [PlacementStore, PlacementStore];
    const ceiling = { sandboxes: 1 };
    await a.acquire(asked(), ceiling, false);
    expect(await a.owned()).toEqual([{ tenant: 'acme', session: 'build', workspace: 'build' }]);
    expect(await b.owned()).toEqual([]);
    expect(await a.release(asked(), 0, '')).toBe(true);
    expect(await a.owned()).toEqual([]);
    expect(await b.acquire(asked({ session: 'next', workspace: 'next' }), ceiling, false)).toMatchObject({ verdict: 'acquired' });
    nowMs += LEASE_MS + GRACE_MS;
    await beat(a, 'a');
    await a.acquire(asked({ session: 'next', workspace: 'next' }), ceiling, false);
    expect(await b.owned()).toEqual([]);
  });

  it('lists the members whose lease lasts', async () => {
    const [a, b] = (await fleetOf('a', 'b')) as [PlacementStore, PlacementStore];
    expect((await a.members()).map(({ id }) => id)).toEqual(['a', 'b']);
    await b.leave();
    expect((await a.members()).map(({ id }) => id)).toEqual(['a']);
    nowMs += LEASE_MS;
    expect(await a.members()).toEqual([]);
  });

  it('answers CAPACITY with a time to try again while it is away', async () => {
    const [a] = (await fleetOf('a')) as [PlacementStore];
    await redis.kill();
    await expect(a.acquire(asked(), {}, false)).rejects.toMatchObject({ code: 'CAPACITY', retry: 'later', retryAfterMs: 2000 });
  });
});
