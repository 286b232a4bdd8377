// Who a request of an E2B client comes from: an API key for the API, the token of one sandbox for calls to it, a signature for the
// address of a file. What does not fit its sandbox is answered as if there were none.

import type { IncomingMessage } from 'node:http';
import { SandboxError } from '../../client/index.ts';
import type { SandboxId, TenantName } from '../../client/protocol/names.ts';
import type { RevocationList } from '../auth/revocation.ts';
import type { Clock } from '../observe/clock.ts';
import { accessToken, fileSignature, isSame, readAccessToken, type SignedFile } from './access-token.ts';
import { type ApiKey, type ApiKeys, tokenIdOf } from './api-keys.ts';
import { notRunning, Unsupported } from './failure.ts';
import type { Lifetimes } from './lifetimes.ts';
import { type LiveSandboxes, noSandbox, sandboxIdOf } from './live-sandboxes.ts';

/** The port that E2B's clients call a sandbox's own services by. */
const ENVD_PORT = '49983';
const USER = 'user';
const ENVD_HOST = new RegExp(`^${ENVD_PORT}-([a-z2-7]{20})\\.`);

export interface DoorkeeperOptions {
  readonly keys: ApiKeys;
  readonly secret: Uint8Array;
  readonly revoked: Pick<RevocationList, 'assertHonoured'>;
  readonly sandboxes: LiveSandboxes;
  readonly lifetimes: Lifetimes;
  readonly clock: Clock;
}

interface Admitted {
  readonly key: ApiKey;
  readonly id: SandboxId;
}

export class Doorkeeper {
  readonly #options: DoorkeeperOptions;

  constructor(options: DoorkeeperOptions) {
    this.#options = options;
  }

  /** UNAUTHENTICATED. */
  async keyOf({ headers }: IncomingMessage): Promise<ApiKey> {
    const key = this.#options.keys.identify(oneOf(headers['x-api-key']));
    await this.assertHonoured(key);
    return key;
  }

  /** Throws UNAUTHENTICATED once the key was revoked by its id. */
  async assertHonoured(key: ApiKey): Promise<void> {
    const { revoked, clock } = this.#options;
    await revoked.assertHonoured({ tokenId: tokenIdOf(key) }, clock.now());
  }

  /** UNAUTHENTICATED without token and signature; NOT_FOUND where they are of another sandbox. */
  async sandboxOf(request: IncomingMessage, url: URL): Promise<Admitted> {
    const { secret, keys } = this.#options;
    const token = oneOf(request.headers['x-access-token']);
    const named = oneOf(request.headers['e2b-sandbox-id']) ?? ENVD_HOST.exec(request.headers.host ?? '')?.[1];
    if (token === undefined) {
      const signature = url.pathname === '/files' ? url.searchParams.get('signature') : null;
      if (signature === null)
        throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: no token of the sandbox was sent', {
          hint: 'Use the sandbox object that Sandbox.create or Sandbox.connect gives.',
        });
      const admitted = await this.#signerOf(signature, signedFile(request, url), named);
      await this.assertHonoured(admitted.key);
      return admitted;
    }
    const id = sandboxIdOf(named ?? '');
    const key = readAccessToken(secret, token, id, (name) => keys.named(name));
    if (key === null) throw noSandbox(named ?? '');
    await this.assertHonoured(key);
    return { key, id };
  }

  /** A paused sandbox is woken by a call only where its client said so. */
  async assertAwake(tenant: TenantName, id: SandboxId): Promise<void> {
    const { lifetimes } = this.#options;
    if (!lifetimes.wasPaused(id)) return;
    if (await lifetimes.wake(tenant, id)) return;
    throw notRunning('Cannot use the sandbox: it is paused. Sandbox.connect resumes it');
  }

  /** The address of a file need not say of which sandbox: the signature does, which only one sandbox's token makes. */
  async #signerOf(signature: string, file: SignedFile, named: string | undefined): Promise<Admitted> {
    const { keys, secret, sandboxes, clock } = this.#options;
    if (file.expiresAt !== null && file.expiresAt * 1000 < clock.now())
      throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: the signature of the address has expired');
    const wanted = named === undefined ? undefined : sandboxIdOf(named);
    for (const { id, tenant } of sandboxes.known()) {
      if (wanted !== undefined && id !== wanted) continue;
      for (const key of keys.ofTenant(tenant)) if (isSame(signature, fileSignature(accessToken(secret, key, id), file))) return { key, id };
    }
    throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: the signature of the address is not valid');
  }
}

/** Every command and file is the sandbox's one unprivileged user's; who asks for another one gets no surprise. */
export function assertOrdinaryUser({ headers }: IncomingMessage, url: URL): void {
  const basic = /^Basic ([A-Za-z0-9+/=]{1,400})$/i.exec(headers.authorization ?? '')?.[1] ?? '';
  const named = Buffer.from(basic, 'base64').toString('utf8').split(':', 1)[0] || url.searchParams.get('username') || USER;
  if (named !== USER)
    throw new Unsupported(`the user ${JSON.stringify(named.slice(0, 64))}`, 'Leave it out: a sandbox has one user, who is not root.');
}

function signedFile({ method }: IncomingMessage, { searchParams }: URL): SignedFile {
  const expiration = searchParams.get('signature_expiration');
  const seconds = Number(expiration);
  if (expiration !== null && !Number.isInteger(seconds))
    throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: the expiration of the signature is no time');
  return {
    path: searchParams.get('path') ?? '',
    operation: method === 'GET' ? 'read' : 'write',
    user: searchParams.get('username') ?? '',
    expiresAt: expiration === null ? null : seconds,
  };
}

const oneOf = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);
