// Where a call has to go: to this member or to which other one. Owns what this member remembers of the others, so that sessions are found
// while Redis is away, too. Moves nothing: a session becomes a member's when that member acquires it.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Clock } from '../observe/clock.ts';
import { chooseMember, rankMembers } from './choose-member.ts';
import type { Fleet } from './fleet.ts';
import type { MemberRecord, PlacementStore } from './placement-store.ts';

const MAX_REMEMBERED = 10_000;

export interface Asked {
  readonly tenant: string;
  readonly session: string;
  readonly workspace: string;
  /** A sandbox that is to be joined and no other in its place; then nothing is moved for it. */
  readonly sandbox: string | undefined;
  /** Rather an empty workspace than to wait for a lost member. */
  readonly isFresh: boolean;
}

export type Route =
  | { readonly at: 'here' }
  | {
      readonly at: 'member';
      readonly member: MemberRecord;
      /** Of the owner's lease and grace; 0: over. */
      readonly leftMs: number;
      readonly isBound: boolean;
      /** If it can't be reached, another one may take the session. */
      readonly isReplaceable: boolean;
    };

export interface RoutingOptions {
  readonly store: Pick<PlacementStore, 'members' | 'locate' | 'ownerOf'>;
  readonly fleet: Pick<Fleet, 'selfRecord' | 'sessionNamed'>;
  /** How old what is known of the members may be. */
  readonly memberMs: number;
  readonly clock: Clock;
}

export class Routing {
  readonly #options: RoutingOptions;
  /** By session and by sandbox: where it was last. The oldest go first. */
  readonly #remembered = new Map<string, MemberRecord>();
  #members: MemberRecord[] = [];
  #membersAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: RoutingOptions) {
    this.#options = options;
  }

  /** Rejects with CAPACITY where it can't be found out, and OWNER_UNAVAILABLE where nothing is known of the owner but that it exists. */
  async route(asked: Asked): Promise<Route> {
    const { store, fleet } = this.#options;
    const key = `${asked.tenant}/${asked.session}`;
    if (fleet.sessionNamed(asked.tenant, asked.session) !== undefined) return { at: 'here' };
    const found = await store.locate(asked.tenant, asked.session, asked.workspace).catch((error: unknown) => {
      const member = this.#remembered.get(key);
      if (member === undefined) throw error;
      return { at: 'member', id: member.id, member, leftMs: 1, isBound: true } as const;
    });
    if (found.at === 'nowhere') return await this.choose(asked.tenant, []);
    if (found.id === fleet.selfRecord.id) return { at: 'here' };
    const isReplaceable = found.leftMs === 0 && (!found.isBound || asked.isFresh);
    if (found.member === null) {
      if (isReplaceable) return await this.choose(asked.tenant, [found.id]);
      throw new SandboxError(
        'OWNER_UNAVAILABLE',
        `Cannot open session ${asked.session}: the member of the fleet that owns it is not known here`,
      );
    }
    this.remember(key, found.member);
    return { at: 'member', member: found.member, leftMs: found.leftMs, isBound: found.isBound, isReplaceable };
  }

  /** For a session that nobody has, or whose owner is lost. */
  async choose(tenant: string, excluded: readonly string[]): Promise<Route> {
    const { clock, store, fleet, memberMs } = this.#options;
    const self = fleet.selfRecord;
    if (clock.now() - this.#membersAtMs >= memberMs || clock.now() < this.#membersAtMs) {
      this.#members = (await store.members()).filter(({ id }) => id !== self.id);
      this.#membersAtMs = clock.now();
    }
    const candidates = [self, ...this.#members]
      .filter(({ id }) => !excluded.includes(id))
      .map((member) => ({ ...member, isHealthy: true }));
    const choice = chooseMember(rankMembers(tenant, candidates));
    if (choice.verdict === 'none') {
      throw new SandboxError('CAPACITY', 'Cannot open a session: no member of the fleet takes one', {
        retryAfterMs: 5000,
        hint:
          choice.reason === 'allFull'
            ? 'Every member is full; try again in a few seconds.'
            : 'Members are starting or stopping; try again in a few seconds.',
      });
    }
    const { member } = choice;
    if (member.id === self.id) return { at: 'here' };
    // Until its next heartbeat says so itself.
    this.#members = this.#members.map((one) => (one.id === member.id ? { ...one, sessions: one.sessions + 1 } : one));
    return { at: 'member', member, leftMs: 0, isBound: false, isReplaceable: true };
  }

  /** The other member that has a sandbox; null: none is known. */
  async ownerOf(sandbox: string): Promise<MemberRecord | null> {
    const found = await this.#options.store.ownerOf(sandbox).catch((error: unknown) => {
      const member = this.#remembered.get(sandbox);
      if (member === undefined) throw error;
      return { id: member.id, member };
    });
    if (found === null || found.id === this.#options.fleet.selfRecord.id) return null;
    if (found.member !== null) this.remember(sandbox, found.member);
    return found.member;
  }

  /** `key`: tenant/session, or a sandbox. */
  remember(key: string, member: MemberRecord): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, member);
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= MAX_REMEMBERED) break;
      this.#remembered.delete(oldest);
    }
  }

  /** All others whose lease lasts. */
  async others(): Promise<readonly MemberRecord[]> {
    const self = this.#options.fleet.selfRecord.id;
    return (await this.#options.store.members()).filter(({ id }) => id !== self);
  }
}
