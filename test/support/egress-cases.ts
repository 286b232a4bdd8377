// The table of egress cases (ssrf-cases.tsv): input, category, expected verdict; and what its fake zone answers.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Target } from '../../daemon/egress/authority.ts';
import { parseHttpTarget, parseTunnelTarget } from '../../daemon/egress/authority.ts';
import type { Resolution } from '../../daemon/egress/resolver.ts';

export interface EgressCase {
  readonly input: string;
  readonly category: string;
  readonly expected: 'allow' | 'deny';
}

/** A public address, documented nowhere as anything else. */
export const PUBLIC_ADDRESS = '93.184.216.34';
/** Stands for a public address of the host itself. */
export const OWN_ADDRESS = '51.15.1.2';

export function egressCases(): EgressCase[] {
  const [, ...lines] = readFileSync(join(import.meta.dirname, 'ssrf-cases.tsv'), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line) => {
    const [input = '', category = '', expected = ''] = line.split('\t');
    return { input, category, expected: expected === 'allow' ? 'allow' : 'deny' };
  });
}

/** What a case wants to reach, without the remark in brackets after it. */
export function targetOf({ input, category }: EgressCase): Target | null {
  const text = category.startsWith('redirect') ? (input.split(' -> ')[1] ?? '') : input.replace(/ \[.*\]$/, '');
  return text.startsWith('CONNECT ') ? parseTunnelTarget(text.slice('CONNECT '.length)) : parseHttpTarget(text);
}

/** The zone in the category's braces; without one every name has a public address. */
export function zoneOf({ category }: EgressCase): () => Promise<Resolution> {
  const zone = /dns\{(.*)\}/.exec(category)?.[1];
  return async () => {
    if (zone === undefined) return { kind: 'addresses', addresses: [PUBLIC_ADDRESS] };
    const first = zone.split(' then ')[0] ?? '';
    const addresses = first
      .split(';')
      .flatMap((part) => (/^A+=(.*)$/.exec(part.replace(' ttl0', ''))?.[1] ?? '').split(','))
      .filter((text) => text !== '');
    if (addresses.length === 0) return { kind: 'none', cause: zone };
    return { kind: 'addresses', addresses: addresses.map((text) => (text.startsWith('<own') ? OWN_ADDRESS : text)) };
  };
}
