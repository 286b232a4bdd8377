// The head of a proxy request, byte by byte as the standard writes it. Stricter than any server, so that nobody behind
// reads another request than the judge did. Pure and total.

import type { Reason } from './verdict.ts';

export const MAX_HEAD_BYTES = 16 * 1024;
export const MAX_LINE_BYTES = 8 * 1024;
const MAX_FIELDS = 100;

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly isHttp10: boolean;
  /** In order, as sent. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** What follows the head. */
  readonly body: { readonly kind: 'none' } | { readonly kind: 'length'; readonly bytes: number } | { readonly kind: 'chunked' };
}

export interface HeadProblem {
  readonly status: 400 | 405 | 414 | 431 | 501 | 505;
  readonly reason: Reason;
  /** The part of the grammar that was hurt. */
  readonly rule: string;
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT']);
const REQUEST_LINE = /^([A-Za-z]{1,32}) ([!-~]+) HTTP\/(\d)\.(\d)$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

const bad = (rule: string, status: HeadProblem['status'] = 400, reason: Reason = 'badRequest'): HeadProblem => ({
  status,
  reason,
  rule: `builtin:http:${rule}`,
});

/** Looks at the bytes so far: where the head ends, that more is needed (null), or what is wrong already. */
export function findHeadEnd(bytes: Buffer): number | null | HeadProblem {
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) {
    if (at === 0 || bytes[at - 1] !== 0x0d) return bad('bareLineFeed');
    if (at >= 3 && bytes[at - 2] === 0x0a) return at + 1 > MAX_HEAD_BYTES ? bad('headTooLong', 431) : at + 1;
  }
  const line = bytes.indexOf(0x0a);
  if ((line === -1 ? bytes.length : line) > MAX_LINE_BYTES) return bad('uriTooLong', 414);
  return bytes.length > MAX_HEAD_BYTES ? bad('headTooLong', 431) : null;
}

/** `head` ends with the empty line. */
export function parseHead(head: Buffer): RequestHead | HeadProblem {
  const [line = '', ...lines] = head.toString('latin1', 0, head.length - 4).split('\r\n');
  if (line.length > MAX_LINE_BYTES) return bad('uriTooLong', 414);
  const match = REQUEST_LINE.exec(line);
  if (match === null) return bad('requestLine', 400, 'unparseable');
  const [, method = '', target = '', major, minor] = match;
  if (!METHODS.has(method)) return bad('method', 405);
  const isHttp10 = major === '1' && minor === '0';
  // Old clients open tunnels with 1.0; a request in the clear without Host is another matter.
  if (!(major === '1' && minor === '1') && !(isHttp10 && method === 'CONNECT')) return bad('version', 505);
  if (lines.length > MAX_FIELDS) return bad('tooManyFields', 431);
  const fields: [string, string][] = [];
  for (const text of lines) {
    const field = FIELD.exec(text);
    const [, name, value = ''] = field ?? [];
    if (name === undefined || !VALUE.test(value)) return bad('field');
    fields.push([name, value]);
  }
  const body = bodyOf(fields, method);
  return 'rule' in body ? body : { method, target, isHttp10, fields, body };
}

/** Values of a field, by its name in lower case. */
export const valuesOf = (head: Pick<RequestHead, 'fields'>, wanted: string): string[] =>
  head.fields.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);

function bodyOf(fields: RequestHead['fields'], method: string): RequestHead['body'] | HeadProblem {
  const lengths = valuesOf({ fields }, 'content-length');
  const codings = valuesOf({ fields }, 'transfer-encoding');
  if (lengths.length + codings.length > 1) return bad('bodyLengthTwice');
  const [length] = lengths;
  const [coding] = codings;
  if (method === 'CONNECT') return length === undefined && coding === undefined ? { kind: 'none' } : bad('connectWithBody');
  if (coding !== undefined) return coding.toLowerCase() === 'chunked' ? { kind: 'chunked' } : bad('transferEncoding', 501);
  if (length === undefined) return { kind: 'none' };
  return /^\d{1,15}$/.test(length) ? { kind: 'length', bytes: Number(length) } : bad('contentLength');
}
