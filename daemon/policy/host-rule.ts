// One entry of an allowlist: a host, and perhaps which requests to it pass. Owns what such an entry permits. Pure.

import type { EgressEntry } from '../../client/protocol/egress.ts';
import { type HostPattern, parseHostPattern } from './host-pattern.ts';
import { canonicalPath, isPathPrefix } from './host-path.ts';

export interface HostRule {
  readonly pattern: HostPattern;
  /** null: all of them. */
  readonly methods: ReadonlySet<string> | null;
  /** Prefixes; null: all of them. */
  readonly paths: readonly string[] | null;
  /** As it stands in decisions. */
  readonly text: string;
}

/** What a rule looks at of a request. */
export interface RequestWish {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** It has a field by which some servers take another method or path than the request line says. */
  readonly isOverridden: boolean;
}

/** null: not of this form. */
export function parseHostRule(entry: EgressEntry): HostRule | null {
  const { host, methods, paths } = typeof entry === 'string' ? { host: entry } : entry;
  const pattern = parseHostPattern(host);
  if (pattern === null || paths?.some((path) => !isPathPrefix(path)) === true) return null;
  const text = [pattern.text, ...(methods === undefined ? [] : [methods.join(',')]), ...(paths === undefined ? [] : [paths.join(',')])];
  return {
    pattern,
    methods: methods === undefined ? null : new Set(methods),
    paths: paths ?? null,
    text: text.join(' ').slice(0, 300),
  };
}

/** The entry as it is granted and stored. */
export function normalEntry({ pattern, methods, paths }: HostRule): EgressEntry {
  if (methods === null && paths === null) return pattern.text;
  return {
    host: pattern.text,
    ...(methods === null ? {} : { methods: [...methods].sort() as Exclude<EgressEntry, string>['methods'] & {} }),
    ...(paths === null ? {} : { paths: [...new Set(paths)].sort() }),
  };
}

export const hasRequestRules = ({ methods, paths }: HostRule): boolean => methods !== null || paths !== null;

/** `ambiguous`: another reader may take it for another request, so no rule can speak for it. */
export function permits(rule: HostRule, wish: RequestWish): 'yes' | 'no' | 'ambiguous' {
  if (!hasRequestRules(rule)) return 'yes';
  if (wish.isOverridden) return 'ambiguous';
  if (rule.methods !== null && !rule.methods.has(wish.method)) return 'no';
  if (rule.paths === null) return 'yes';
  const path = canonicalPath(wish.path);
  if (path === null) return 'ambiguous';
  return rule.paths.some((prefix) => isBelow(path, prefix)) ? 'yes' : 'no';
}

const isBelow = (path: string, prefix: string): boolean => path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
