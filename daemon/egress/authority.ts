// What a request wants to reach, read by a grammar of our own: `http://host[:port]/path`, or `host:port`. Pure and total.

import { type Host, parseHost, parsePort } from '../policy/host-name.ts';
import type { RequestWish } from '../policy/host-rule.ts';

export interface Target {
  /** `http`: one request in the clear; `tunnel`: bytes both ways, or one request inside of TLS that is opened. */
  readonly via: 'http' | 'tunnel';
  readonly host: Host;
  readonly port: number;
  /** Absent: bytes that nobody reads. */
  readonly request?: RequestWish;
}

export interface HttpTarget extends Target {
  /** From the first slash on, with the query. */
  readonly path: string;
}

/** Printable ASCII but for what some parser reads as a slash or as the end. */
const PATH = /^\/[!"$-[\]-~]*$/;

/** `host:port`; both parts are needed. */
export function parseTunnelTarget(text: string): Target | null {
  const parts = splitAuthority(text);
  if (parts === null || parts.port === undefined) return null;
  const host = parseHost(parts.host);
  const port = parsePort(parts.port);
  return host === null || port === null ? null : { via: 'tunnel', host, port };
}

/** `http://host[:port][/path]`; neither userinfo nor fragment. */
export function parseHttpTarget(text: string): HttpTarget | null {
  if (text.slice(0, 7).toLowerCase() !== 'http://') return null;
  const rest = text.slice(7);
  const slash = rest.indexOf('/');
  const authority = parseHostHeader(slash === -1 ? rest : rest.slice(0, slash));
  const path = slash === -1 ? '/' : rest.slice(slash);
  if (authority === null || !isPath(path)) return null;
  return { via: 'http', ...authority, path };
}

/** As it stands in a request line, with the query. */
export const isPath = (text: string): boolean => PATH.test(text);

/** `host[:port]` of plain HTTP, whose port is 80 unless it is said. */
export function parseHostHeader(text: string): { readonly host: Host; readonly port: number } | null {
  const parts = splitAuthority(text);
  if (parts === null) return null;
  const host = parseHost(parts.host);
  const port = parts.port === undefined ? 80 : parsePort(parts.port);
  return host === null || port === null ? null : { host, port };
}

function splitAuthority(text: string): { readonly host: string; readonly port: string | undefined } | null {
  const match = /^(\[[^\]]*\]|[^:[\]]+)(?::([^:]*))?$/.exec(text);
  return match === null ? null : { host: match[1] ?? '', port: match[2] };
}
