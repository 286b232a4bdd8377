// Which header fields pass the proxy, in which form. Pure.

import { hostText } from '../policy/host-name.ts';
import type { RequestWish } from '../policy/host-rule.ts';
import { type HttpTarget, parseHostHeader, type Target } from './authority.ts';
import { type RequestHead, valuesOf } from './request-head.ts';

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
/** What says who asks for whom: only a proxy could know, and the sandbox is none. */
const SPOOFABLE: ReadonlySet<string> = new Set(['via', 'forwarded', 'x-real-ip', 'client-ip', 'true-client-ip']);
/** Written anew from what was judged. */
const REWRITTEN: ReadonlySet<string> = new Set(['host', 'content-length', 'expect']);

/** By these some servers take another method or path than the request line says. */
const OVERRIDES: ReadonlySet<string> = new Set([
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
  'x-original-uri',
  'x-forwarded-path',
  'x-forwarded-uri',
]);

/** What rules for requests look at. */
export const wishOf = (head: RequestHead, path: string): RequestWish => ({
  method: head.method,
  path,
  isOverridden: head.fields.some(([name]) => OVERRIDES.has(name.toLowerCase().replaceAll('_', '-'))),
});

/** Exactly one Host, and it says what the request line says; only HTTP/1.0 tunnels have none. */
export function isHostSaid(head: RequestHead, target: Target, usualPort: number): boolean {
  const hosts = valuesOf(head, 'host');
  if (hosts.length === 0) return head.isHttp10;
  const [text = ''] = hosts;
  const said = hosts.length === 1 ? parseHostHeader(text) : null;
  if (said === null || said.host.text !== target.host.text) return false;
  const hasPort = /:\d+$/.test(text);
  return hasPort ? said.port === target.port : usualPort === target.port || head.method === 'CONNECT';
}

export type UpgradeWish = 'none' | 'websocket' | 'other';

export function upgradeOf(head: RequestHead): UpgradeWish {
  const wishes = valuesOf(head, 'upgrade');
  if (wishes.length === 0) return 'none';
  const isWebSocket = wishes.length === 1 && wishes[0]?.toLowerCase() === 'websocket' && head.method === 'GET' && head.body.kind === 'none';
  return isWebSocket && connectionOptions(head.fields).has('upgrade') ? 'websocket' : 'other';
}

export const wantsClose = (head: RequestHead): boolean => {
  const options = connectionOptions([...head.fields, ...valuesOf(head, 'proxy-connection').map((value) => ['connection', value] as const)]);
  return head.isHttp10 || options.has('close');
};

/** Flat list of names and values, as node:http takes them. */
export function upstreamFields(
  head: Pick<RequestHead, 'fields' | 'body' | 'method'>,
  target: HttpTarget,
  connection: 'close' | 'keep-alive' | 'upgrade',
): string[] {
  const named = connectionOptions(head.fields);
  const passes = (name: string): boolean =>
    !HOP_BY_HOP.has(name) &&
    !SPOOFABLE.has(name) &&
    !REWRITTEN.has(name) &&
    !named.has(name) &&
    !name.startsWith('x-forwarded-') &&
    !name.startsWith('proxy-');
  const usualPort = target.via === 'http' ? 80 : 443;
  const out = ['Host', `${hostText(target.host)}${target.port === usualPort ? '' : `:${target.port}`}`];
  for (const [name, value] of head.fields) if (passes(name.toLowerCase())) out.push(name, value);
  if (head.body.kind === 'length') out.push('Content-Length', String(head.body.bytes));
  else if (head.body.kind === 'chunked') out.push('Transfer-Encoding', 'chunked');
  else if (['POST', 'PUT', 'PATCH'].includes(head.method)) out.push('Content-Length', '0');
  out.push('Connection', connection === 'upgrade' ? 'Upgrade' : connection);
  if (connection === 'upgrade') out.push('Upgrade', 'websocket');
  return out;
}

/** Of an answer: lines without those that are this connection's own business. */
export function downstreamLines(rawFields: readonly string[]): string[] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawFields.length; at += 2) pairs.push([rawFields[at] ?? '', rawFields[at + 1] ?? '']);
  const named = connectionOptions(pairs);
  return pairs
    .filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()) && !named.has(name.toLowerCase()) && name.toLowerCase() !== 'content-length')
    .map(([name, value]) => `${name}: ${value}`);
}

/** The command's id from its proxy credentials, if they have that form. */
export function execIdOf(head: RequestHead): string | null {
  const match = /^Basic ([A-Za-z0-9+/=]{1,400})$/i.exec(valuesOf(head, 'proxy-authorization')[0] ?? '');
  const user =
    Buffer.from(match?.[1] ?? '', 'base64')
      .toString('latin1')
      .split(':')[0] ?? '';
  return /^[A-Za-z0-9_-]{1,64}$/.test(user) ? user : null;
}

function connectionOptions(fields: RequestHead['fields']): ReadonlySet<string> {
  const values = valuesOf({ fields }, 'connection');
  return new Set(
    values.flatMap((value) => value.split(',').map((option) => option.trim().toLowerCase())).filter((option) => option !== ''),
  );
}
