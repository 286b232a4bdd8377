// Is an address the public internet, or one the operator allows? Pure and total: what is no address is denied.

import { parseAddress } from '../policy/host-name.ts';
import { type AddressBlock, GLOBAL_UNICAST, NEVER_ALLOWED, NOT_PUBLIC } from './address-table.ts';
import { type Cidr, covers, groupsOf, isWithin, parseCidr } from './cidr.ts';
import { allow, deny, type Verdict } from './verdict.ts';

export interface AddressRules {
  /** Ranges that operators opened. */
  readonly allowPrivate: readonly Cidr[];
  /** Ranges that operators closed. */
  readonly blocked: readonly Cidr[];
  /** Canonical texts of the host's own addresses, public ones included. */
  readonly own: ReadonlySet<string>;
}

interface Block {
  readonly cidr: Cidr;
  readonly kind: AddressBlock['kind'];
}

const tableOf = (blocks: readonly AddressBlock[]): readonly Block[] =>
  blocks.map(({ cidr, kind }) => ({ cidr: parseCidr(cidr) ?? unreadable(cidr), kind }));
const NEVER = tableOf(NEVER_ALLOWED);
const CLOSED = tableOf(NOT_PUBLIC);
const GLOBAL = parseCidr(GLOBAL_UNICAST) ?? unreadable(GLOBAL_UNICAST);

/** A range that no operator can open, or null. */
export function neverAllowed(cidr: Cidr): string | null {
  return NEVER.find((block) => covers(block.cidr, cidr))?.cidr.text ?? null;
}

export function judgeAddress(text: string, rules: AddressRules): Verdict {
  const address = parseAddress(text);
  if (address === null) return deny('addressBlocked', 'builtin:notAnAddress');
  const groups = groupsOf(address.text);
  const within = (block: Block): boolean => isWithin(groups, block.cidr);
  const denied = ({ cidr, kind }: Block): Verdict => deny('addressBlocked', `builtin:${kind}:${cidr.text}`);
  const never = NEVER.find(within);
  if (never !== undefined) return denied(never);
  if (isCompatible(groups)) return deny('addressBlocked', 'builtin:embeddedIpv4:::/96');
  if (isIsatap(groups)) return deny('addressBlocked', 'builtin:embeddedIpv4:isatap');
  const blocked = rules.blocked.find((cidr) => isWithin(groups, cidr));
  if (blocked !== undefined) return deny('operatorBlocked', `operator:${blocked.text}`);
  const opened = rules.allowPrivate.find((cidr) => isWithin(groups, cidr));
  if (opened !== undefined) return allow(`operator:allowPrivate:${opened.text}`);
  if (rules.own.has(address.text)) return deny('addressBlocked', 'builtin:ownAddress');
  const closed = CLOSED.find(within);
  if (closed !== undefined) return denied(closed);
  if (groups.length === 8 && !isWithin(groups, GLOBAL)) return deny('addressBlocked', 'builtin:notGlobal:outside 2000::/3');
  return allow('builtin:public');
}

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
