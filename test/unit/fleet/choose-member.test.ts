import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AFFINITY, chooseMember, type MemberLoad, rankMembers } from '../../../daemon/fleet/choose-member.ts';

const member = (id: string, more: Partial<MemberLoad> = {}): MemberLoad => ({
  id,
  sessions: 0,
  maxSessions: 10,
  isDraining: false,
  isHealthy: true,
  ...more,
});
const fleetOf = (size: number): MemberLoad[] => Array.from({ length: size }, (_, at) => member(`member-${at}`));

describe('which member gets a new session', () => {
  it.each([
    ['there is no member', [], 'noMember'],
    ['none was heard of lately', [member('a', { isHealthy: false })], 'noMember'],
    ['all are stopping', [member('a', { isDraining: true }), member('b', { isDraining: true })], 'allDraining'],
    ['those that do not stop are full', [member('a', { sessions: 10 }), member('b', { isDraining: true })], 'allFull'],
  ])('none, when %s', (_, members, reason) => {
    expect(chooseMember(members)).toEqual({ verdict: 'none', reason });
  });

  it('the nearest, of equally loaded ones', () => {
    const ranked = rankMembers('acme', fleetOf(20));
    expect(chooseMember(ranked)).toMatchObject({ member: { id: ranked[0]?.id } });
  });

  it('the one with the smallest part of its room in use, not the smallest number', () => {
    expect(
      chooseMember([member('small', { sessions: 2, maxSessions: 4 }), member('large', { sessions: 30, maxSessions: 100 })]),
    ).toMatchObject({
      member: { id: 'large' },
    });
  });

  it('one of the nearest as long as these have room, then the next', () => {
    const ranked = rankMembers('acme', fleetOf(20));
    const full = ranked.map((one, at) => (at < AFFINITY ? { ...one, sessions: 9 } : one));
    expect(ranked.slice(0, AFFINITY).map(({ id }) => id)).toContain((chooseMember(full) as { member: MemberLoad }).member.id);
    const over = ranked.map((one, at) => (at < AFFINITY ? { ...one, sessions: 10 } : one));
    expect(chooseMember(over)).toMatchObject({ member: { id: ranked[AFFINITY]?.id } });
  });

  it('never one that is full, stopping or not heard of, whatever the fleet', () => {
    const anyMember = fc.record({
      id: fc.string({ minLength: 1, maxLength: 8 }),
      sessions: fc.integer({ min: 0, max: 5 }),
      maxSessions: fc.integer({ min: 1, max: 5 }),
      isDraining: fc.boolean(),
      isHealthy: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.string(), fc.array(anyMember, { maxLength: 30 }), (tenant, members) => {
        const choice = chooseMember(rankMembers(tenant, members));
        const able = members.filter((one) => one.isHealthy && !one.isDraining && one.sessions < one.maxSessions);
        expect(choice.verdict).toBe(able.length === 0 ? 'none' : 'member');
        if (choice.verdict === 'member') expect(able).toContainEqual(choice.member);
      }),
    );
  });

  it('a member that comes or goes changes the order of no others', () => {
    const members = fleetOf(50);
    for (const tenant of ['acme', 'rival', 'third']) {
      const before = rankMembers(tenant, members).map(({ id }) => id);
      const after = rankMembers(tenant, members.slice(1)).map(({ id }) => id);
      expect(after).toEqual(before.filter((id) => id !== members[0]?.id));
    }
  });

  it('tenants spread evenly: of 20,000 no member of 50 is nearest to more than 1.25 times its part', () => {
    const members = fleetOf(50);
    const nearest = new Map<string, number>();
    for (let tenant = 0; tenant < 20_000; tenant += 1) {
      const [{ id } = { id: '' }] = rankMembers(`tenant-${tenant}`, members);
      nearest.set(id, (nearest.get(id) ?? 0) + 1);
    }
    expect(nearest.size).toBe(50);
    expect(Math.max(...nearest.values())).toBeLessThan(1.25 * (20_000 / 50));
  });
});
