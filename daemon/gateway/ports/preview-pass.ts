// Passes: signed statements that their holder may use one preview until a time. A ticket is what a URL carries, a cookie
// what a browser gets for it. Owns their form; knows nothing of requests. The key is derived from the token key, so a
// pass outlives a restart of the daemon, and is none of the tokens that the API takes.

import { createHmac, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { Principal } from '../../auth/principal.ts';
import { PreviewTarget } from './preview-address.ts';

const MAX_BYTES = 2048;

export const PreviewPass = z.strictObject({
  kind: z.enum(['ticket', 'cookie']),
  target: PreviewTarget,
  /** Who asked for it; what they may no longer see, the pass does not open. */
  principal: Principal,
  /** Milliseconds since the epoch. */
  expiresAt: z.number(),
});
export type PreviewPass = z.infer<typeof PreviewPass>;

export function previewKey(tokenKey: KeyObject): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', tokenKey.export({ type: 'pkcs8', format: 'der' }), '', 'cloister port previews', 32));
}

export function signPass(key: Uint8Array, pass: PreviewPass): string {
  const body = Buffer.from(JSON.stringify(pass)).toString('base64url');
  return `${body}.${macOf(key, body).toString('base64url')}`;
}

/** What the text states if it is a pass of this kind, for this preview if one is given, and still valid; else null. */
export function readPass(
  key: Uint8Array,
  text: string,
  kind: PreviewPass['kind'],
  target: PreviewTarget | null,
  nowMs: number,
): PreviewPass | null {
  const [body = '', mac = '', ...rest] = text.split('.');
  if (text.length > MAX_BYTES || rest.length > 0) return null;
  const claimed = Buffer.from(mac, 'base64url');
  const actual = macOf(key, body);
  if (claimed.length !== actual.length || !timingSafeEqual(claimed, actual)) return null;
  // Safe because: only what signPass wrote has got here.
  const pass = PreviewPass.parse(JSON.parse(Buffer.from(body, 'base64url').toString()));
  const isFor = target === null || (pass.target.sandbox === target.sandbox && pass.target.port === target.port);
  return isFor && pass.kind === kind && nowMs < pass.expiresAt ? pass : null;
}

const macOf = (key: Uint8Array, body: string): Buffer => createHmac('sha256', key).update(body).digest();
