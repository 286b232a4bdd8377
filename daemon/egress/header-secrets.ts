// Placeholders in what sandboxes send: put in for their values in header fields towards their own hosts, found everywhere
// else. Owns where a placeholder may stand. Pure; values are only ever in what it answers.

import { type HostPattern, parseHostPattern } from '../policy/host-pattern.ts';
import type { Target } from './authority.ts';
import { grants } from './judge.ts';
import type { HeaderSecret } from './messages.ts';
import { deny, type Verdict } from './verdict.ts';

export interface CompiledSecret {
  readonly name: string;
  readonly placeholder: string;
  readonly hosts: readonly HostPattern[];
  readonly value: string;
}

type Fields = readonly (readonly [name: string, value: string])[];

export interface FilledFields {
  readonly fields: Fields;
  /** Values as they were written, which no answer should bring back. */
  readonly written: readonly string[];
}

const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/;
const BASIC = /^(Basic +)([A-Za-z0-9+/]+={0,2})$/i;

export function compileSecrets(secrets: readonly HeaderSecret[]): CompiledSecret[] {
  return secrets.map(({ hosts, ...secret }) => ({
    ...secret,
    hosts: hosts.map(parseHostPattern).filter((pattern) => pattern !== null),
  }));
}

/** TLS to this host is opened for some secret. */
export const isOfSecret = (secrets: readonly CompiledSecret[], target: Target): boolean =>
  target.via === 'tunnel' && secrets.some((secret) => isFor(secret, target));

/** null: no placeholder goes where it does not belong. `target` null: it belongs nowhere. */
export function judgePlaceholders(
  secrets: readonly CompiledSecret[],
  head: { readonly target: string; readonly fields: Fields },
  target: Target | null,
): Verdict | null {
  for (const secret of secrets) {
    const isHome = target?.request !== undefined && target.via === 'tunnel' && isFor(secret, target);
    if (isHome && !FIELD_VALUE.test(secret.value)) {
      if (holds(head, secret)) return deny('secretUnusable', `builtin:secret:${secret.name}`);
    } else if (!isHome && holds(head, secret)) return deny('secretMisdirected', `builtin:secret:${secret.name}`);
  }
  return null;
}

/** Of a request that judgePlaceholders let pass, to the target it was judged for. */
export function fillIn(secrets: readonly CompiledSecret[], fields: Fields, target: Target): FilledFields {
  const mine = secrets.filter((secret) => isFor(secret, target));
  const written = new Set<string>();
  const filled = fields.map(([name, value]) => {
    const result = mine.reduce((text, secret) => fillValue(text, secret, written), value);
    return [name, result] as const;
  });
  return { fields: filled, written: [...written] };
}

function fillValue(text: string, { placeholder, value }: CompiledSecret, written: Set<string>): string {
  if (text.includes(placeholder)) {
    written.add(value);
    return text.replaceAll(placeholder, () => value);
  }
  const basic = basicOf(text);
  if (basic === null || !basic.plain.includes(placeholder)) return text;
  const encoded = Buffer.from(
    basic.plain.replaceAll(placeholder, () => value),
    'latin1',
  ).toString('base64');
  written.add(value).add(encoded);
  return `${basic.scheme}${encoded}`;
}

/** In the URL, in a field, or in credentials of the Basic form; in the URL also with its letters encoded. */
function holds({ target, fields }: { readonly target: string; readonly fields: Fields }, { placeholder }: CompiledSecret): boolean {
  if (target.includes(placeholder) || (target.includes('%') && decoded(target).includes(placeholder))) return true;
  return fields.some(
    ([name, value]) => name.includes(placeholder) || value.includes(placeholder) || basicOf(value)?.plain.includes(placeholder) === true,
  );
}

function basicOf(value: string): { readonly scheme: string; readonly plain: string } | null {
  const [, scheme, encoded] = BASIC.exec(value) ?? [];
  return scheme === undefined || encoded === undefined ? null : { scheme, plain: Buffer.from(encoded, 'base64').toString('latin1') };
}

const decoded = (text: string): string =>
  text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

const isFor = ({ hosts }: CompiledSecret, target: Target): boolean =>
  hosts.some((pattern) => grants(pattern, { ...target, via: 'tunnel' }));
