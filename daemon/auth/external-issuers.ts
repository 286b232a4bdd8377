// Tokens that others have signed: issuers of the configuration, each with its keys (JWKS) and with what it may say at most.
// Owns fetching and keeping the keys, bounded in size, time and number; what a principal may do is access.ts's.

import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, decodeJwt, errors, jwtVerify } from 'jose';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { SessionName, TenantName } from '../../client/protocol/names.ts';
import { Role } from '../../client/protocol/requests.ts';
import { type Principal, SessionPattern, TokenCeilings } from './principal.ts';
import { notAuthenticated } from './token.ts';

const MAX_BYTES = 256 * 1024;
const FETCH_MS = 5000;
/** How long keys are used without asking again. */
const FRESH_MS = 600_000;
/** How soon they may be asked for again: for a key that is not among them, or after a failure. */
const AGAIN_MS = 30_000;
/** How long keys are used while nobody answers. */
const STALE_MS = 24 * 3_600_000;
/** Those that need no shared secret. */
const ALGORITHMS = ['EdDSA', 'ES256', 'ES384', 'RS256', 'PS256'];

const isLoopback = (url: URL): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);

function isSource(text: string): boolean {
  if (text.startsWith('/')) return true;
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.username === '' && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url)));
}

export const ExternalIssuer = z.strictObject({
  /** As it stands in `iss`. */
  issuer: z
    .string()
    .min(1)
    .max(300)
    .refine((issuer) => issuer !== 'cloister', 'is our own name'),
  /** File, or https address, of its keys. */
  jwks: z.string().max(2048).refine(isSource, 'must be an absolute path or an https address without a user'),
  /** What must stand in `aud`. */
  audience: z.string().min(1).max(300),
  /** Roles it may give; operators only where they are named. */
  roles: z.array(Role).min(1).default(['tenant', 'observer']),
  /** Tenants it may speak for; all unless given. */
  tenants: z.array(TenantName).max(10_000).optional(),
});
export type ExternalIssuer = z.infer<typeof ExternalIssuer>;

const Claims = z.object({
  exp: z.number(),
  jti: z.string().min(1).max(64).optional(),
  sub: z.string().max(256).optional(),
  role: Role.default('tenant'),
  tenant: TenantName,
  session: SessionName.nullable().default(null),
  sessions: SessionPattern.optional(),
  readOnly: z.boolean().default(false),
  ceilings: TokenCeilings.optional(),
});
const Jwks = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

interface Keys {
  readonly set: ReturnType<typeof createLocalJWKSet>;
  readonly atMs: number;
}

export class ExternalIssuers {
  readonly #issuers: ReadonlyMap<string, ExternalIssuer>;
  readonly #keys = new Map<string, Keys>();
  readonly #asking = new Map<string, Promise<Keys>>();
  readonly #askedAtMs = new Map<string, number>();
  readonly #fetch: typeof fetch;

  constructor(issuers: readonly ExternalIssuer[], options: { readonly fetch?: typeof fetch } = {}) {
    this.#issuers = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
    this.#fetch = options.fetch ?? fetch;
  }

  /** The issuer that a token says it is of, if it is one of these; nothing is checked yet. */
  claims(token: string): ExternalIssuer | null {
    if (this.#issuers.size === 0) return null;
    try {
      return this.#issuers.get(decodeJwt(token).iss ?? '') ?? null;
    } catch {
      return null;
    }
  }

  async verify(issuer: ExternalIssuer, token: string, nowMs: number): Promise<Principal> {
    let payload: unknown;
    try {
      payload = await this.#check(issuer, token, nowMs, await this.#keysOf(issuer, nowMs));
    } catch (cause) {
      if (!(cause instanceof errors.JWKSNoMatchingKey) || !this.#mayAsk(issuer, nowMs)) throw refused(cause);
      // The issuer may have a new key; asked at most every half minute, whatever is sent here.
      payload = await this.#check(issuer, token, nowMs, await this.#ask(issuer, nowMs)).catch((error: unknown) =>
        Promise.reject(refused(error)),
      );
    }
    const claims = Claims.safeParse(payload);
    if (!claims.success) throw refused(claims.error);
    const { exp, jti, sub, readOnly, ...rest } = claims.data;
    if (!issuer.roles.includes(rest.role) || (issuer.tenants !== undefined && !issuer.tenants.includes(rest.tenant)))
      throw new SandboxError('UNAUTHENTICATED', `Cannot authenticate: issuer ${issuer.issuer} may not give this role and tenant`);
    return { ...rest, isReadOnly: readOnly, tokenId: `${issuer.issuer} ${jti ?? sub ?? ''}`.trim(), expiresAt: exp * 1000 };
  }

  async #check(issuer: ExternalIssuer, token: string, nowMs: number, keys: Keys): Promise<unknown> {
    const { payload } = await jwtVerify(token, keys.set, {
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: ALGORITHMS,
      currentDate: new Date(nowMs),
      requiredClaims: ['exp'],
    });
    return payload;
  }

  async #keysOf(issuer: ExternalIssuer, nowMs: number): Promise<Keys> {
    const known = this.#keys.get(issuer.issuer);
    if (known !== undefined && nowMs - known.atMs < FRESH_MS) return known;
    if (known !== undefined && nowMs - known.atMs < STALE_MS)
      return this.#mayAsk(issuer, nowMs) ? this.#ask(issuer, nowMs).catch(() => known) : known;
    if (!this.#mayAsk(issuer, nowMs)) throw new Error('its keys could not be had');
    return this.#ask(issuer, nowMs);
  }

  #mayAsk(issuer: ExternalIssuer, nowMs: number): boolean {
    return this.#asking.has(issuer.issuer) || nowMs - (this.#askedAtMs.get(issuer.issuer) ?? Number.NEGATIVE_INFINITY) >= AGAIN_MS;
  }

  #ask(issuer: ExternalIssuer, nowMs: number): Promise<Keys> {
    const running = this.#asking.get(issuer.issuer);
    if (running !== undefined) return running;
    this.#askedAtMs.set(issuer.issuer, nowMs);
    const asking = this.#read(issuer.jwks)
      .then((text) => {
        const keys = { set: createLocalJWKSet(Jwks.parse(JSON.parse(text))), atMs: nowMs };
        this.#keys.set(issuer.issuer, keys);
        return keys;
      })
      .finally(() => this.#asking.delete(issuer.issuer));
    this.#asking.set(issuer.issuer, asking);
    return asking;
  }

  async #read(source: string): Promise<string> {
    if (source.startsWith('/')) return await readFile(source, 'utf8');
    const response = await this.#fetch(source, {
      redirect: 'error',
      signal: AbortSignal.timeout(FETCH_MS),
      headers: { accept: 'application/json' },
    });
    if (!response.ok || response.body === null) throw new Error(`${source} answered ${response.status}`);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of response.body as AsyncIterable<Uint8Array>) {
      bytes += part.byteLength;
      if (bytes > MAX_BYTES) throw new Error(`${source} answered more than ${MAX_BYTES} bytes`);
      parts.push(part);
    }
    return Buffer.concat(parts).toString('utf8');
  }
}

const refused = (cause: unknown): SandboxError => (SandboxError.is(cause) ? cause : notAuthenticated(cause));
