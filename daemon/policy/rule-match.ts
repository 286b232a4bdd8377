// Does a rule speak of this call? Compiled once per list, then cheap. Pure.

import { type ArgPattern, type Match, matchPattern, parsePattern } from './arg-pattern.ts';
import type { IdentifiedRule } from './permission-presets.ts';
import type { PermissionRequest } from './tools.ts';

export interface CompiledRule {
  readonly rule: IdentifiedRule;
  readonly args: readonly (readonly [string, ArgPattern])[];
}

export const compileRule = (rule: IdentifiedRule): CompiledRule => ({
  rule,
  args: Object.entries(rule.args ?? {}).map(([name, pattern]) => [name, parsePattern(pattern)] as const),
});

export function matchesTool(pattern: string, tool: string): boolean {
  return pattern === '*' || (pattern.endsWith('*') ? tool.startsWith(pattern.slice(0, -1)) : tool === pattern);
}

/** The tool has been compared already. An argument that the call does not have matches nothing. */
export function matchRequest({ rule, args }: CompiledRule, request: PermissionRequest): Match {
  if (rule.domain !== undefined && !matchesDomain(rule.domain, request.host)) return 'no';
  return allOf(args, (name) => request.args[name]);
}

export function allOf(args: CompiledRule['args'], valueOf: (name: string) => string | undefined): Match {
  let all: Match = 'yes';
  for (const [name, pattern] of args) {
    const value = valueOf(name);
    const match = value === undefined ? 'no' : matchPattern(pattern, value);
    if (match === 'no') return 'no';
    if (match === 'maybe') all = 'maybe';
  }
  return all;
}

function matchesDomain(domain: NonNullable<IdentifiedRule['domain']>, host: string | undefined): boolean {
  if (host === undefined) return false;
  const isListed = (list: readonly string[]) => list.some((entry) => (entry.startsWith('.') ? host.endsWith(entry) : host === entry));
  return (domain.allowlist === undefined || isListed(domain.allowlist)) && !isListed(domain.blocklist ?? []);
}
