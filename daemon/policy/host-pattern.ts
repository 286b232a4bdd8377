// One entry of an egress list: `host`, `*.suffix`, either with `:port`. Owns its grammar and when it matches. Pure.

import { type Host, hostText, parseHost, parsePort } from './host-name.ts';

export interface HostPattern {
  /** As it stands in decisions. */
  readonly text: string;
  readonly host: Host;
  /** Names below the host, not the host itself. */
  readonly isSuffix: boolean;
  /** null: the ports that need no naming. */
  readonly port: number | null;
}

/** null: not of this form. */
export function parseHostPattern(text: string): HostPattern | null {
  const isSuffix = text.startsWith('*.');
  const rest = isSuffix ? text.slice(2) : text;
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d+))?$/.exec(rest);
  if (match === null) return null;
  const host = parseHost(match[1] ?? '');
  const port = match[2] === undefined ? null : parsePort(match[2]);
  if (host === null || (match[2] !== undefined && port === null) || (isSuffix && host.kind === 'address')) return null;
  return { text: `${isSuffix ? '*.' : ''}${hostText(host)}${port === null ? '' : `:${port}`}`, host, isSuffix, port };
}

/** Whatever the port. */
export function matchesHost(pattern: HostPattern, host: Host): boolean {
  if (!pattern.isSuffix) return pattern.host.kind === host.kind && pattern.host.text === host.text;
  return host.kind === 'name' && host.text.endsWith(`.${pattern.host.text}`);
}
