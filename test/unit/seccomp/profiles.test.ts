// The profiles as files: generated from the groups, safe in how they compare integers, and what their trees really allow.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadSeccompProfile } from '../../../daemon/container/seccomp-profile.ts';
import { SECCOMP_DIRECTORY } from '../../support/seccomp-directory.ts';
import { ALLOWED_GROUPS, type Tier } from '../../../seccomp/allowed.ts';
import { allBut, anythingBut, type Condition } from '../../../seccomp/conditions.ts';
import { profileText, readmeTables } from '../../../seccomp/profile.ts';
import { REFUSED_GROUPS } from '../../../seccomp/refused.ts';

const DIRECTORY = SECCOMP_DIRECTORY;
const TIERS: readonly Tier[] = ['strict', 'debug'];
const WORD = fc.integer({ min: 0, max: 0xffffffff });

/** As the kernel evaluates it: 64-bit words. */
function holds({ op, value, valueTwo = 0 }: Condition, argument: bigint): boolean {
  return op === 'SCMP_CMP_EQ' ? argument === BigInt(value) : (argument & BigInt(value)) === BigInt(valueTwo);
}
const isAllowed = (name: string, args: readonly bigint[], tier: Tier = 'strict'): boolean =>
  ALLOWED_GROUPS.filter((group) => group.names.includes(name) && (group.tier === undefined || group.tier === tier)).some(
    ({ anyOf }) =>
      anyOf === undefined || anyOf.some((conditions) => conditions.every((condition) => holds(condition, args[condition.index] ?? 0n))),
  );
const high = fc.bigInt({ min: 0n, max: 0xffffffffn });

describe('the profiles', () => {
  test.each(TIERS)('%s.json is what the groups say', async (tier) => {
    expect(await readFile(join(DIRECTORY, `${tier}.json`), 'utf8')).toBe(profileText(tier));
  });

  test('the README has the tables of the groups', async () => {
    expect(await readFile(join(DIRECTORY, 'README.md'), 'utf8')).toContain(readmeTables());
  });

  test.each(TIERS)('%s decides every call once: allowed, allowed by argument, or refused', (tier) => {
    const of = (groups: readonly { names: readonly string[]; tier?: Tier }[]): string[] =>
      groups.filter((group) => group.tier === undefined || group.tier === tier).flatMap((group) => group.names);
    const unconditional = of(ALLOWED_GROUPS.filter((group) => group.anyOf === undefined));
    const conditional = new Set(of(ALLOWED_GROUPS.filter((group) => group.anyOf !== undefined)));
    const once = [...unconditional, ...conditional, ...of(REFUSED_GROUPS)];
    expect(once.filter((name, index) => once.indexOf(name) !== index)).toEqual([]);
  });

  test('debug allows what strict allows and nothing but the tracing calls and personalities on top', () => {
    const extra = ALLOWED_GROUPS.filter((group) => group.tier === 'debug').flatMap((group) => group.names);
    expect(extra.sort()).toEqual(['personality', 'process_vm_readv', 'process_vm_writev', 'ptrace']);
    expect(ALLOWED_GROUPS.some((group) => group.tier === 'strict')).toBe(false);
  });
});

describe('conditions', () => {
  test('a complement tree allows every low word but the refused ones, whatever the high half', () => {
    fc.assert(
      fc.property(WORD, WORD, high, (refused, probe, upper) => {
        const tree = anythingBut(0, refused);
        const passes = (word: number): boolean => tree.some((condition) => holds(condition, (upper << 32n) | BigInt(word)));
        return !passes(refused) && (probe === refused || passes(probe));
      }),
    );
  });

  test('a complement tree of patterns refuses exactly what they match', () => {
    const byte = fc.integer({ min: 0, max: 0xff });
    const pattern = fc.tuple(byte, byte).map(([mask, value]) => ({ mask, value: value & mask }));
    fc.assert(
      fc.property(fc.array(pattern, { minLength: 1, maxLength: 3 }), WORD, high, (refused, probe, upper) => {
        const tree = allBut(0, refused, [7, 6, 5, 4, 3, 2, 1, 0]);
        const isRefused = refused.some(({ mask, value }) => (probe & mask) === value);
        return tree.some((condition) => holds(condition, (upper << 32n) | BigInt(probe))) === !isRefused;
      }),
    );
  });

  test('ioctl refuses terminal injection, project ids and every btrfs call but reflinks, whatever the high half', () => {
    const reflinks = [0x40049409, 0x4020940d, 0xc0189436];
    const refused = [0x5412, 0x541c, 0x541d, 0x5423, 0x5820];
    const expected = (word: number): boolean => reflinks.includes(word) || !((word & 0xff00) === 0x9400 || refused.includes(word & 0xffff));
    fc.assert(fc.property(WORD, high, (word, upper) => isAllowed('ioctl', [0n, (upper << 32n) | BigInt(word)]) === expected(word)));
    const lowWords = Array.from({ length: 0x10000 }, (_, low) => low);
    expect(lowWords.filter((low) => isAllowed('ioctl', [0n, BigInt(low)]) !== expected(low))).toEqual([]);
  });

  test('socket takes four families and no argument with a high bit that changes its meaning', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 64 }),
        fc.integer({ min: 0, max: 300 }),
        fc.bigInt({ min: 1n, max: 0xffffffffn }),
        (family, protocol, upper) => {
          const family64 = (upper << 32n) | BigInt(family);
          const isOpen = family === 1 || (family === 16 && protocol === 0) || ([2, 10].includes(family) && [0, 6].includes(protocol));
          return (
            isAllowed('socket', [BigInt(family), 1n, BigInt(protocol)]) === isOpen && !isAllowed('socket', [family64, 1n, BigInt(protocol)])
          );
        },
      ),
    );
  });
});

describe('loading a profile', () => {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cloister-profile-'));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  test.each(TIERS)('%s is sent without comments and named by the hash of what is sent', async (name) => {
    const profile = await loadSeccompProfile({ directory: DIRECTORY, name });
    expect(profile).toMatchObject({ name, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(profile.json).not.toContain('comment');
    expect(JSON.parse(profile.json)).toMatchObject({ defaultAction: 'SCMP_ACT_ERRNO' });
  });

  const valid = {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: [] }],
    syscalls: [{ comment: 'x', names: ['read'], action: 'SCMP_ACT_ALLOW' }],
  };
  const rule = (change: object): object => ({ ...valid, syscalls: [{ ...valid.syscalls[0], ...change }] });
  test.each<[string, unknown]>([
    ['no JSON', undefined],
    ['a default that allows', { ...valid, defaultAction: 'SCMP_ACT_ALLOW' }],
    ['the 32-bit entry', { ...valid, archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }] }],
    ['no rule', { ...valid, syscalls: [] }],
    ['an unknown key', { ...valid, flags: ['SECCOMP_FILTER_FLAG_LOG'] }],
    ['a rule without comment', rule({ comment: undefined })],
    ['a refusal without errno', rule({ action: 'SCMP_ACT_ERRNO' })],
    ['an action that traces', rule({ action: 'SCMP_ACT_TRACE' })],
    ['a comparison by NE', rule({ args: [{ index: 0, op: 'SCMP_CMP_NE', value: 40 }] })],
    ['a comparison by LE', rule({ args: [{ index: 0, op: 'SCMP_CMP_LE', value: 40 }] })],
    ['a mask beyond the low 32 bits', rule({ args: [{ index: 0, op: 'SCMP_CMP_MASKED_EQ', value: 2 ** 33, valueTwo: 0 }] })],
  ])('refuses one with %s', async (_, content) => {
    await writeFile(join(directory, 'broken.json'), content === undefined ? '{' : JSON.stringify(content));
    await expect(loadSeccompProfile({ directory, name: 'broken' })).rejects.toMatchObject({ code: 'POLICY_INVALID' });
  });

  test.each(['missing', '../strict', 'Strict', ''])('refuses the name %j', async (name) => {
    await expect(loadSeccompProfile({ directory, name })).rejects.toMatchObject({ code: 'POLICY_INVALID' });
  });
});
