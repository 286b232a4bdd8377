// Which member of a fleet gets a session that nobody has: the least loaded healthy one among those nearest to the tenant. Pure; knows
// neither Redis nor time. Used by the daemon and, unchanged, by the simulator of large fleets.

/** How many members a tenant's sessions spread over as long as these have room. */
export const AFFINITY = 4;

export interface MemberLoad {
  readonly id: string;
  /** Sessions it has. */
  readonly sessions: number;
  /** Sessions it takes at most. */
  readonly maxSessions: number;
  /** It takes nothing new. */
  readonly isDraining: boolean;
  /** It was heard of lately. */
  readonly isHealthy: boolean;
}

export type Choice<M> =
  | { readonly verdict: 'member'; readonly member: M; readonly reason: 'leastLoaded' }
  | { readonly verdict: 'none'; readonly reason: 'noMember' | 'allDraining' | 'allFull' };

/**
 * The members in the order of their nearness to a tenant (rendezvous hashing): every member computes the same order, and one that
 * comes or goes moves no other tenant's. Costs a hash per member and a sort; the order of a tenant may be kept as long as the same
 * members exist, since load is no part of it.
 * @example const near = rankMembers('acme', members); // near[0] is where acme's first session goes
 */
export function rankMembers<M extends Pick<MemberLoad, 'id'>>(tenant: string, members: readonly M[]): M[] {
  return members
    .map((member) => ({ member, weight: weightOf(tenant, member.id) }))
    .sort((a, b) => b.weight - a.weight || (a.member.id < b.member.id ? -1 : 1))
    .map(({ member }) => member);
}

/**
 * Takes the first AFFINITY members of the ranking that are healthy, not draining and have room, and of these the one with the smallest
 * part of its room in use; of equals the nearest. A full member's place is taken by the next in the ranking, so a tenant overflows to
 * members near it. Stops reading the ranking as soon as it has enough.
 * @param ranked of rankMembers for the session's tenant, with loads of now
 * @returns `member`, or why none can take it
 */
export function chooseMember<M extends MemberLoad>(ranked: Iterable<M>): Choice<M> {
  let best: M | null = null;
  let near = 0;
  let reason: 'noMember' | 'allDraining' | 'allFull' = 'noMember';
  for (const member of ranked) {
    if (!member.isHealthy) continue;
    if (member.isDraining) {
      if (reason === 'noMember') reason = 'allDraining';
      continue;
    }
    if (member.sessions >= member.maxSessions) {
      reason = 'allFull';
      continue;
    }
    if (best === null || loadOf(member) < loadOf(best)) best = member;
    near += 1;
    if (near === AFFINITY) break;
  }
  return best === null ? { verdict: 'none', reason } : { verdict: 'member', member: best, reason: 'leastLoaded' };
}

const loadOf = ({ sessions, maxSessions }: MemberLoad): number => sessions / maxSessions;

/** 32 bits that say nothing about either name alone: FNV-1a, then murmur3's finish, without which similar names get similar weights. */
function weightOf(tenant: string, member: string): number {
  let hash = 0x811c9dc5;
  const text = `${tenant}\n${member}`;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
