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
  if (!isIPv6(address) || /[.%]/.test(address)) return null;
  const gap = address.indexOf('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  if (gap === -1) return groups(address);
  const left = groups(address.slice(0, gap));
  const right = groups(address.slice(gap + 2));
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
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
