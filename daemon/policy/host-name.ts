// The one grammar of host names and address literals in egress: strict, ASCII, no URL parser. Pure.
// What is not of this form does not exist for the judge; nothing is decoded, mapped or completed.

import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

export interface Host {
  readonly kind: 'name' | 'address';
  /** Names in lower case without the final dot; IPv4 as four decimals; IPv6 in RFC 5952 form without brackets. */
  readonly text: string;
}

const MAX_NAME = 253;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** A last label that starts like a number is read as an address by some parser. */
const LAST_LABEL = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const IPV6_CHARACTERS = /^[0-9A-Fa-f:.]{2,45}$/;
const DOT = 0x2e;
const ZERO = 0x30;
const PORT = /^[1-9]\d{0,4}$/;

/** `example.com`, `192.0.2.1` or `[2001:db8::1]`; null for everything else. */
export function parseHost(text: string): Host | null {
  if (text.startsWith('[')) return text.endsWith(']') ? parseIpv6(text.slice(1, -1)) : null;
  return parseIpv4(text) ?? parseName(text);
}

/** Decimal, 1 to 65535, no sign, no leading zero. */
export function parsePort(text: string): number | null {
  const port = PORT.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : null;
}

/** As it stands in an authority: IPv6 in brackets. */
export const hostText = (host: Host): string => (host.text.includes(':') ? `[${host.text}]` : host.text);

/** An address without brackets, as DNS and sockets give it; null if it is none. */
export function parseAddress(text: string): Host | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Host | null {
  return ipv4Number(text) === null ? null : { kind: 'address', text };
}

/** Four decimals without leading zeros, as 32 bits; null for everything else. */
export function ipv4Number(text: string): number | null {
  if (text.length > 15) return null;
  let [value, part, digits, dots] = [0, 0, 0, 0];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0) return null;
      value = value * 256 + part;
      dots += 1;
      [part, digits] = [0, 0];
    } else {
      if (code < ZERO || code > ZERO + 9 || (digits === 1 && part === 0)) return null;
      part = part * 10 + (code - ZERO);
      digits += 1;
      if (part > 255) return null;
    }
  }
  return dots === 3 && digits > 0 ? value * 256 + part : null;
}

function parseIpv6(text: string): Host | null {
  if (!IPV6_CHARACTERS.test(text) || !isIPv6(text)) return null;
  return { kind: 'address', text: ipaddr.IPv6.parse(text).toRFC5952String() };
}

function parseName(text: string): Host | null {
  if (text.length > MAX_NAME + 1) return null;
  const name = (text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase();
  // Lower-casing maps some letters beyond ASCII into it: what went in must have been ASCII already.
  if (name.length > MAX_NAME || !/^[A-Za-z0-9_.-]+$/.test(text)) return null;
  const labels = name.split('.');
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label))) return null;
  return LAST_LABEL.test(labels.at(-1) ?? '') ? { kind: 'name', text: name } : null;
}
