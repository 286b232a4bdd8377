// A fleet as numbers: sessions of tenants are placed on members by the daemon's own choice, members are lost, and what Redis has to do is
// counted. The same seed gives the same figures. Memory is bounded by tenants times MAX_NEAR and by sessions.

import { AFFINITY, chooseMember, type MemberLoad, rankMembers } from '../../daemon/fleet/choose-member.ts';
import { randomFrom } from '../support/random-from.ts';

/** Of each tenant's ranking this much is kept; the whole of it is asked for again where all of these are full. */
const MAX_NEAR = 2048;

export interface FleetOptions {
  readonly members: number;
  readonly sessions: number;
  readonly tenants: number;
  /** Of one member, as pool.maxSessions. */
  readonly maxSessions: number;
  /** Members that are lost at once. */
  readonly lost: number;
  /** Mean life of a session: how many are opened in a second follows from it. */
  readonly sessionLifeS: number;
  readonly heartbeatS: number;
  /** How old a member's list of the others may be. */
  readonly listS: number;
  /** Between two claims of what a member has. */
  readonly refreshS: number;
  readonly seed: number;
}

export interface LoadFigures {
  readonly mean: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
  /** Most loaded over mean. */
  readonly imbalance: number;
  /** Members without a session. */
  readonly empty: number;
}

export interface FleetFigures {
  readonly placed: number;
  /** The chosen member had filled up since its last heartbeat; another one was chosen. */
  readonly chosenAgain: number;
  /** No member had room. */
  readonly refused: number;
  readonly load: LoadFigures;
  /** Members that the sessions of one tenant are on. */
  readonly membersOfTenant: { readonly median: number; readonly max: number };
  readonly loss: {
    /** Sessions of lost members, which are placed anew. */
    readonly moved: number;
    /** Sessions of other members that move: placement never touches them. */
    readonly movedOfOthers: number;
    /** Tenants of whose nearest members one was lost. */
    readonly tenantsTouched: number;
    readonly load: LoadFigures;
  };
  /** Scripts that Redis runs in a second with this many sessions. */
  readonly redisPerSecond: {
    readonly heartbeats: number;
    readonly opens: number;
    readonly closes: number;
    readonly memberLists: number;
    readonly refreshes: number;
    readonly total: number;
    /** What those lists have in them, which is what bounds a fleet on one Redis. */
    readonly recordsListed: number;
  };
}

interface Member extends MemberLoad {
  /** As of its last heartbeat; what others choose by. */
  sessions: number;
  isHealthy: boolean;
}

export function simulateFleet(options: FleetOptions): FleetFigures {
  const { members: count, sessions, tenants, maxSessions, lost, seed } = options;
  const members = Array.from(
    { length: count },
    (_, index): Member => ({ id: `cloister-${index}`, sessions: 0, maxSessions, isDraining: false, isHealthy: true }),
  );
  const indexOf = new Map(members.map(({ id }, index) => [id, index]));
  const actual = new Int32Array(count);
  const near = Array.from({ length: tenants }, (_, tenant) => rankMembers(`tenant-${tenant}`, members).slice(0, MAX_NEAR));
  const owner = new Int32Array(sessions).fill(-1);
  const tenantOf = tenantsByPopularity(options);
  const opensPerS = sessions / options.sessionLifeS;
  /** Between two heartbeats so many sessions are placed by what was true at the first. */
  const perHeartbeat = Math.max(1, Math.round(opensPerS * options.heartbeatS));
  const tally = { placed: 0, chosenAgain: 0, refused: 0 };
  const publish = (): void => members.forEach((member, index) => (member.sessions = actual[index] ?? 0));

  const place = (session: number): void => {
    const tenant = tenantOf[session] ?? 0;
    for (;;) {
      const ranked = near[tenant] ?? [];
      let choice = chooseMember(ranked);
      if (choice.verdict === 'none' && ranked.length < count) choice = chooseMember(rankMembers(`tenant-${tenant}`, members));
      if (choice.verdict === 'none') {
        tally.refused += 1;
        return;
      }
      const index = indexOf.get(choice.member.id) ?? 0;
      if ((actual[index] ?? 0) < maxSessions) {
        actual[index] = (actual[index] ?? 0) + 1;
        owner[session] = index;
        tally.placed += 1;
        return;
      }
      // It says that it is full, and the one who asked knows it from then on.
      choice.member.sessions = maxSessions;
      tally.chosenAgain += 1;
    }
  };

  for (let session = 0; session < sessions; session += 1) {
    if (session % perHeartbeat === 0) publish();
    place(session);
  }
  publish();
  const asked = { ...tally };
  const load = figuresOf(actual);
  const membersOfTenant = spreadOf(owner, tenantOf, tenants);

  const before = owner.slice();
  const gone = new Set<number>();
  const random = randomFrom(seed + 1);
  while (gone.size < lost) gone.add(Math.floor(random() * count));
  const touched = near.filter((ranked) => ranked.slice(0, AFFINITY).some(({ id }) => gone.has(indexOf.get(id) ?? -1))).length;
  for (const index of gone) {
    const member = members[index];
    if (member !== undefined) member.isHealthy = false;
    actual[index] = 0;
  }
  let moved = 0;
  for (let session = 0; session < sessions; session += 1) {
    if (!gone.has(before[session] ?? -1)) continue;
    if (moved % perHeartbeat === 0) publish();
    moved += 1;
    place(session);
  }
  const movedOfOthers = before.reduce((sum, index, session) => sum + (index !== owner[session] && !gone.has(index) ? 1 : 0), 0);
  return {
    ...asked,
    load,
    membersOfTenant,
    loss: { moved, movedOfOthers, tenantsTouched: touched, load: figuresOf(actual.filter((_, index) => !gone.has(index))) },
    redisPerSecond: redisPerSecond(options, opensPerS),
  };
}

/** Few tenants have many sessions and many have few: the n-th has 1/n of the first's share. */
function tenantsByPopularity({ sessions, tenants, seed }: FleetOptions): Int32Array {
  const upTo = new Float64Array(tenants);
  let sum = 0;
  for (let tenant = 0; tenant < tenants; tenant += 1) upTo[tenant] = sum += 1 / (tenant + 1);
  const random = randomFrom(seed);
  return Int32Array.from({ length: sessions }, () => {
    const drawn = random() * sum;
    let [low, high] = [0, tenants - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] ?? 0) < drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}

function figuresOf(loads: Int32Array): LoadFigures {
  const sorted = loads.toSorted();
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  const mean = sorted.reduce((sum, load) => sum + load, 0) / sorted.length;
  const max = sorted.at(-1) ?? 0;
  return {
    mean: rounded(mean),
    median: at(0.5),
    p99: at(0.99),
    max,
    imbalance: rounded(max / mean),
    empty: sorted.findIndex((load) => load > 0),
  };
}

function spreadOf(owner: Int32Array, tenantOf: Int32Array, tenants: number): { median: number; max: number } {
  const on = Array.from({ length: tenants }, () => new Set<number>());
  owner.forEach((index, session) => index >= 0 && on[tenantOf[session] ?? 0]?.add(index));
  const counts = on.map(({ size }) => size).toSorted((a, b) => a - b);
  return { median: counts[Math.floor(tenants / 2)] ?? 0, max: counts.at(-1) ?? 0 };
}

/** By what daemon/fleet asks: at an open it locates, acquires, and tells the sandbox's id; at a close it releases. */
function redisPerSecond(
  { members, sessions, heartbeatS, listS, refreshS }: FleetOptions,
  opensPerS: number,
): FleetFigures['redisPerSecond'] {
  const heartbeats = members / heartbeatS;
  const opens = 3 * opensPerS;
  const closes = opensPerS;
  // A member asks who there is when it has to choose and what it knows is old.
  const memberLists = Math.min(members / listS, opensPerS);
  const refreshes = sessions / refreshS;
  const total = heartbeats + opens + closes + memberLists + refreshes;
  return {
    heartbeats: Math.round(heartbeats),
    opens: Math.round(opens),
    closes: Math.round(closes),
    memberLists: Math.round(memberLists),
    refreshes: Math.round(refreshes),
    total: Math.round(total),
    recordsListed: Math.round(memberLists * members),
  };
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;
