// Is an address the public internet, or one the operator allows? Pure and total: what is no address is denied.

import { type AddressBlock, GLOBAL_UNICAST, NEVER_ALLOWED, NOT_PUBLIC } from './address-table.ts';
import { addressKey, type Cidr, covers, groupsOf, isWithin, parseCidr } from './cidr.ts';
import { allow, deny, type Verdict } from './verdict.ts';

export interface AddressRules {
  /** Ranges that operators opened. */
  readonly allowPrivate: readonly Cidr[];
  /** Ranges that operators closed. */
  readonly blocked: readonly Cidr[];
  /** addressKey of the host's own addresses, public ones included. */
  readonly own: ReadonlySet<string>;
}

interface Block {
  readonly cidr: Cidr;
  readonly kind: AddressBlock['kind'];
}

const tableOf = (blocks: readonly AddressBlock[]): readonly Block[] =>
  blocks.map(({ cidr, kind }) => ({ cidr: parseCidr(cidr) ?? unreadable(cidr), kind }));
/** By the number of groups, so that no address is held against the other family's ranges. */
const byFamily = (blocks: readonly Block[]): Readonly<Record<number, readonly Block[]>> => ({
  2: blocks.filter(({ cidr }) => !cidr.isIpv6),
  8: blocks.filter(({ cidr }) => cidr.isIpv6),
});
const NEVER = tableOf(NEVER_ALLOWED);
const NEVER_BY_FAMILY = byFamily(NEVER);
const CLOSED_BY_FAMILY = byFamily(tableOf(NOT_PUBLIC));
const GLOBAL = parseCidr(GLOBAL_UNICAST) ?? unreadable(GLOBAL_UNICAST);

/** A range that no operator can open, or null. */
export function neverAllowed(cidr: Cidr): string | null {
  return NEVER.find((block) => covers(block.cidr, cidr))?.cidr.text ?? null;
}

export function judgeAddress(text: string, rules: AddressRules): Verdict {
  const groups = groupsOf(text);
  if (groups === null) return deny('addressBlocked', 'builtin:notAnAddress');
  const never = blockOf(groups, NEVER_BY_FAMILY);
  if (never !== null) return denied(never);
  if (isCompatible(groups)) return deny('addressBlocked', 'builtin:embeddedIpv4:::/96');
  if (isIsatap(groups)) return deny('addressBlocked', 'builtin:embeddedIpv4:isatap');
  const blocked = rules.blocked.find((cidr) => isWithin(groups, cidr));
  if (blocked !== undefined) return deny('operatorBlocked', `operator:${blocked.text}`);
  const opened = rules.allowPrivate.find((cidr) => isWithin(groups, cidr));
  if (opened !== undefined) return allow(`operator:allowPrivate:${opened.text}`);
  if (rules.own.has(addressKey(groups))) return deny('addressBlocked', 'builtin:ownAddress');
  const closed = blockOf(groups, CLOSED_BY_FAMILY);
  if (closed !== null) return denied(closed);
  if (groups.length === 8 && !isWithin(groups, GLOBAL)) return deny('addressBlocked', 'builtin:notGlobal:outside 2000::/3');
  return allow('builtin:public');
}

function blockOf(groups: readonly number[], table: Readonly<Record<number, readonly Block[]>>): Block | null {
  for (const block of table[groups.length] ?? []) if (isWithin(groups, block.cidr)) return block;
  return null;
}

const denied = ({ cidr, kind }: Block): Verdict => deny('addressBlocked', `builtin:${kind}:${cidr.text}`);

/** ::a.b.c.d, but not ::1. */
function isCompatible(groups: readonly number[]): boolean {
  return groups.length === 8 && groups.slice(0, 6).every((group) => group === 0) && !(groups[6] === 0 && groups[7] === 1);
}

function isIsatap(groups: readonly number[]): boolean {
  return groups.length === 8 && groups[5] === 0x5efe && ((groups[4] ?? 0) & ~0x0200) === 0;
}

function unreadable(cidr: string): never {
  throw new Error(`Cannot read the address table: ${cidr} is no range`);
}
