// A daemon that serves E2B's clients, and their own unmodified package pointed at it: two tenants with a key each.

import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { Sandbox, type SandboxOpts } from 'e2b';
import { startTestDaemon, type TestDaemon } from './test-daemon.ts';

export const newKey = (): string => `e2b_${randomBytes(20).toString('hex')}`;
export const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex');

export interface E2bWorld extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly url: string;
  /** What every call of the package gets, as the owner of the first or the second key. */
  readonly as: { readonly acme: E2bOptions; readonly rival: E2bOptions };
  create(options?: SandboxOpts): Promise<Sandbox>;
}

export interface E2bOptions {
  readonly apiKey: string;
  readonly apiUrl: string;
  readonly sandboxUrl: string;
}

interface WorldOptions {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly e2b?: Readonly<Record<string, unknown>>;
}

export async function startE2bWorld({ config, e2b }: WorldOptions = {}): Promise<E2bWorld> {
  const listen = `127.0.0.1:${await freePort()}`;
  const [acme, rival] = [newKey(), newKey()];
  const keys = [
    { name: 'acme-1', sha256: sha256Of(acme), tenant: 'acme' },
    { name: 'rival-1', sha256: sha256Of(rival), tenant: 'rival' },
  ];
  const daemon = await startTestDaemon({ config: { ...config, compat: { e2b: { listen, keys, ...e2b } } } });
  const url = `http://${listen}`;
  const optionsOf = (apiKey: string): E2bOptions => ({ apiKey, apiUrl: url, sandboxUrl: url });
  const as = { acme: optionsOf(acme), rival: optionsOf(rival) };
  return {
    daemon,
    url,
    as,
    create: (options = {}) => Sandbox.create({ ...as.acme, ...options }),
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** Between this and the daemon's start somebody else could take it: nobody else asks for ports at that time in a test. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
