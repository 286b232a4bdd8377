// Turns the groups into a profile in Docker's format and into the README's tables. Pure; generate.ts writes the files.
import { ALLOWED_GROUPS, type Tier } from './allowed.ts';
import type { Condition } from './conditions.ts';
import { REFUSED_GROUPS } from './refused.ts';

const ERRNO = { EPERM: 1, ENOSYS: 38 } as const;

interface Rule {
  readonly comment: string;
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  /** On every refusing rule: engine 20.10 ignores defaultErrnoRet. */
  readonly errnoRet?: number;
  readonly args?: readonly Condition[];
}

const inTier = (tier: Tier, group: { readonly tier?: Tier }): boolean => group.tier === undefined || group.tier === tier;

function rulesOf(tier: Tier): Rule[] {
  const allowing = ALLOWED_GROUPS.filter((group) => inTier(tier, group)).flatMap(({ comment, names, anyOf }): Rule[] =>
    anyOf === undefined
      ? [{ comment, names, action: 'SCMP_ACT_ALLOW' }]
      : anyOf.map((args) => ({ comment, names, action: 'SCMP_ACT_ALLOW', args })),
  );
  const refusing = REFUSED_GROUPS.filter((group) => inTier(tier, group)).map(
    ({ comment, names, errno }): Rule => ({ comment, names, action: 'SCMP_ACT_ERRNO', errnoRet: ERRNO[errno] }),
  );
  return [...allowing, ...refusing];
}

/**
 * The text of `<tier>.json`. No sub-architecture is listed: the 32-bit and x32 entries of the kernel stay closed,
 * because their socketcall and ipc cannot be filtered by argument.
 */
export function profileText(tier: Tier): string {
  const head = {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: ERRNO.EPERM,
    archMap: [
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: [] },
      { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: [] },
    ],
  };
  const members = Object.entries(head).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  const rules = rulesOf(tier).map((rule) => `    ${JSON.stringify(rule)}`);
  return `{\n${members.join(',\n')},\n  "syscalls": [\n${rules.join(',\n')}\n  ]\n}\n`;
}

function describe(condition: Condition): string {
  const hex = (value: number): string => (value < 10 ? String(value) : `0x${value.toString(16)}`);
  if (condition.op === 'SCMP_CMP_EQ') return `arg${condition.index} = ${hex(condition.value)}`;
  return `arg${condition.index} & ${hex(condition.value)} = ${hex(condition.valueTwo ?? 0)}`;
}

/** Complement trees have tens of branches; the table says how many and the comment says what they leave out. */
const LISTED_ALTERNATIVES = 10;

function describeAll(anyOf: readonly (readonly Condition[])[] | undefined): string {
  if (anyOf === undefined) return 'any';
  if (anyOf.length > LISTED_ALTERNATIVES) return `a complement tree of ${anyOf.length} masks on arg${anyOf[0]?.[0]?.index ?? 0}`;
  return anyOf.map((conditions) => conditions.map(describe).join(', ')).join('; or ');
}

const code = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(' ');

/** The two tables of seccomp/README.md. */
export function readmeTables(): string {
  const allowed = ALLOWED_GROUPS.map(
    ({ comment, names, anyOf, tier }) => `| ${code(names)} | ${describeAll(anyOf)} | ${tier ?? 'both'} | ${comment} |`,
  );
  const refused = REFUSED_GROUPS.map(({ comment, names, errno, tier }) => `| ${code(names)} | ${errno} | ${tier ?? 'both'} | ${comment} |`);
  return [
    '### Allowed',
    '',
    '| calls | arguments | profile | who needs it |',
    '|---|---|---|---|',
    ...allowed,
    '',
    '### Refused',
    '',
    '| calls | errno | profile | why |',
    '|---|---|---|---|',
    ...refused,
    '',
  ].join('\n');
}
