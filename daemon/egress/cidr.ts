// Address ranges as numbers, for matching. Pure; addresses come in the canonical text of policy/host-name.ts.

import ipaddr from 'ipaddr.js';

export interface Cidr {
  readonly text: string;
  readonly isIpv6: boolean;
  /** 16-bit groups: two of IPv4, eight of IPv6. */
  readonly groups: readonly number[];
  readonly bits: number;
}

/** Two groups of IPv4, eight of IPv6; the text is canonical. */
export function groupsOf(address: string): readonly number[] {
  if (address.includes(':')) return ipaddr.IPv6.parse(address).parts;
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return [a * 256 + b, c * 256 + d];
}

/** `10.0.0.0/8`, or an address alone; null: not of this form, or with bits beyond its length. */
export function parseCidr(text: string): Cidr | null {
  const match = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text);
  const address = match?.[1] ?? '';
  const isIpv6 = address.includes(':');
  const isValid = isIpv6 ? ipaddr.IPv6.isValid(address) : ipaddr.IPv4.isValidFourPartDecimal(address);
  if (!isValid) return null;
  const width = isIpv6 ? 128 : 32;
  const bits = match?.[2] === undefined ? width : Number(match[2]);
  if (bits > width) return null;
  const groups = isIpv6 ? ipaddr.IPv6.parse(address).parts : groupsOf(address);
  const cidr = { text: `${address.toLowerCase()}/${bits}`, isIpv6, groups, bits };
  // 10.1.2.3/8 is a mistake about one of its halves.
  return groups.every((group, index) => (group & ~maskOf(bits, index)) === 0) ? cidr : null;
}

export function isWithin(groups: readonly number[], cidr: Cidr): boolean {
  if ((groups.length === 8) !== cidr.isIpv6) return false;
  for (let index = 0; index * 16 < cidr.bits; index += 1) {
    const mask = maskOf(cidr.bits, index);
    if (((groups[index] ?? 0) & mask) !== ((cidr.groups[index] ?? 0) & mask)) return false;
  }
  return true;
}

/** Everything in `inner` is in `outer`. */
export const covers = (outer: Cidr, inner: Cidr): boolean => outer.bits <= inner.bits && isWithin(inner.groups, outer);

function maskOf(bits: number, index: number): number {
  const inGroup = Math.min(16, Math.max(0, bits - index * 16));
  return (0xffff << (16 - inGroup)) & 0xffff;
}
