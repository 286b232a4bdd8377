// What somebody asks about: a URL of http or https, or HOST:PORT, as the request that would be made of it. Pure and total.

import type { RequestWish } from '../policy/host-rule.ts';
import { parseHttpTarget, parseTunnelTarget, type Target } from './authority.ts';

const HTTPS_PORT = 443;

/** A URL stands for a GET; null: it is nothing that could be asked for. */
export function explainedTarget(text: string): Target | null {
  const [, secure] = /^https:\/\/(.*)$/is.exec(text) ?? [];
  if (secure === undefined) {
    const target = parseHttpTarget(text);
    return target === null ? parseTunnelTarget(text) : { ...target, request: get(target.path) };
  }
  // The grammar of http with another usual port.
  const plain = parseHttpTarget(`http://${secure}`);
  if (plain === null) return null;
  const { host, port, path } = plain;
  const hasPort = /^(\[[^\]]*\]|[^/:]*):\d+(\/|$)/.test(secure);
  return { via: 'tunnel', host, port: hasPort ? port : HTTPS_PORT, request: get(path) };
}

const get = (path: string): RequestWish => ({ method: 'GET', path, isOverridden: false });
