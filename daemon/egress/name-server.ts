// The address of a name server, as configuration and the host write it. Pure.

import { parseAddress, parsePort } from '../policy/host-name.ts';
import type { NameServer } from './dns-exchange.ts';

const DNS_PORT = 53;

/** `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`; null for everything else. */
export function parseNameServer(text: string): NameServer | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(\d+))?$/.exec(text);
  const address = parseAddress(match?.[1] ?? match?.[2] ?? text)?.text;
  const port = match?.[3] === undefined ? DNS_PORT : parsePort(match[3]);
  return address === undefined || port === null ? null : { address, port };
}
