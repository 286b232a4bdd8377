import { array, assert, boolean, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UidAllocator } from '../../../daemon/workspace/uid-allocator.ts';

const RANGE = { first: 200_000, last: 200_003 };

describe('the uid allocator', () => {
  it('never gives out a uid that has files, and refuses when all have', () => {
    const uids = new UidAllocator(RANGE, [200_001]);
    expect(new Set([uids.allocate(), uids.allocate(), uids.allocate()])).toEqual(new Set([200_000, 200_002, 200_003]));
    expect(() => uids.allocate()).toThrow(expect.objectContaining({ code: 'CAPACITY' }));
  });

  it('keeps the uid of a lineage until its last workspace is gone', () => {
    const uids = new UidAllocator({ first: 5, last: 5 }, []);
    const uid = uids.allocate();
    uids.retain(uid);
    uids.release(uid);
    expect(() => uids.allocate()).toThrow(/Cannot give a workspace a uid/);
    uids.release(uid);
    expect(uids.allocate()).toBe(uid);
  });

  it('lets a released uid rest while others are free', () => {
    const uids = new UidAllocator(RANGE, []);
    const first = uids.allocate();
    uids.release(first);
    expect(uids.allocate()).not.toBe(first);
  });

  it('continues after the highest uid in use, and ignores none outside the range', () => {
    expect(new UidAllocator(RANGE, [200_002, 999_999]).allocate()).toBe(200_003);
    expect(new UidAllocator(RANGE, [999_999]).isHeld(999_999)).toBe(true);
  });

  it.each([
    { first: 0, last: 5 },
    { first: 9, last: 8 },
    { first: 1.5, last: 8 },
  ])('refuses the range $first-$last', (range) => {
    expect(() => new UidAllocator(range, [])).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }));
  });

  it('holds for any order of allocations and releases', () => {
    assert(
      property(array(boolean(), { maxLength: 60 }), (steps) => {
        const uids = new UidAllocator(RANGE, []);
        const live: number[] = [];
        for (const isAllocation of steps) {
          if (!isAllocation) uids.release(live.shift() ?? 1);
          else if (live.length < 4) live.push(uids.allocate());
          expect(new Set(live).size).toBe(live.length);
        }
      }),
    );
  });
});
