// Address ranges as numbers, for matching. Pure, and quick: every answer of every name passes here.

import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { ipv4Number } from '../policy/host-name.ts';

export interface Cidr {
  readonly text: string;
  readonly isIpv6: boolean;
  /** 16-bit groups: two of IPv4, eight of IPv6. */
  readonly groups: readonly number[];
  readonly masks: readonly number[];
  readonly bits: number;
}

/** Two groups of IPv4, eight of IPv6; null: no address, or one with a zone or a dotted end. */
export function groupsOf(address: string): readonly number[] | null {
  if (!address.includes(':')) {
    const value = ipv4Number(address);
    return value === null ? null : [value >>> 16, value & 0xffff];
  }
  return isIPv6(address) ? ipv6Groups(address) : null;
}

const [COLON, NINE] = [0x3a, 0x39];

/** `address` is one, perhaps with a zone or a dotted end. */
function ipv6Groups(address: string): readonly number[] | null {
  const groups: number[] = [];
  let [value, digits, gap] = [0, 0, -1];
  for (let at = 0; at < address.length; at += 1) {
    const code = address.charCodeAt(at);
    if (code === COLON) {
      if (digits > 0) groups.push(value);
      if (address.charCodeAt(at + 1) === COLON) gap = groups.length;
      [value, digits] = [0, 0];
    } else {
      // Letters of either case, and nothing but hexadecimal digits but for what is refused.
      const digit = code <= NINE ? code - 0x30 : (code | 0x20) - 0x57;
      if (digit < 0 || digit > 15) return null;
      value = value * 16 + digit;
      digits += 1;
    }
  }
  if (digits > 0) groups.push(value);
  if (gap === -1) return groups;
  const zeros = Array.from({ length: 8 - groups.length }, () => 0);
  return [...groups.slice(0, gap), ...zeros, ...groups.slice(gap)];
}

/** Equal for two spellings of one address. */
export const addressKey = (groups: readonly number[]): string => groups.join(':');

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
  const groups = isIpv6 ? ipaddr.IPv6.parse(address).parts : (groupsOf(address) ?? []);
  const masks = groups.map((_, index) => maskOf(bits, index));
  const cidr = { text: `${address.toLowerCase()}/${bits}`, isIpv6, groups, masks, bits };
  // 10.1.2.3/8 is a mistake about one of its halves.
  return groups.length > 0 && groups.every((group, index) => (group & ~(masks[index] ?? 0)) === 0) ? cidr : null;
}

export function isWithin(groups: readonly number[], cidr: Cidr): boolean {
  if (groups.length !== cidr.groups.length) return false;
  for (let index = 0; index < groups.length; index += 1) {
    if (((groups[index] ?? 0) & (cidr.masks[index] ?? 0)) !== cidr.groups[index]) return false;
  }
  return true;
}

/** Everything in `inner` is in `outer`. */
export const covers = (outer: Cidr, inner: Cidr): boolean => outer.bits <= inner.bits && isWithin(inner.groups, outer);

function maskOf(bits: number, index: number): number {
  const inGroup = Math.min(16, Math.max(0, bits - index * 16));
  return (0xffff << (16 - inGroup)) & 0xffff;
}
