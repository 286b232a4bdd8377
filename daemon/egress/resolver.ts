// Resolves a name once, both families, with bounds of its own; the host's search list, hosts file and caches play no part.

import { exchange, type NameServer } from './dns-exchange.ts';
import { type AddressType, RECORD_TYPE } from './dns-message.ts';

export type Resolution =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'none'; readonly cause: string };

export type Resolve = (name: string) => Promise<Resolution>;

export interface ResolverOptions {
  readonly servers: readonly NameServer[];
  /** Milliseconds for everything together. */
  readonly timeoutMs: number;
}

const MAX_ALIASES = 8;
const ATTEMPTS = 3;
const MAX_PENDING = 1024;

/** The returned function never rejects. */
export function createResolver(options: ResolverOptions): Resolve {
  let pending = 0;
  return async (name) => {
    if (options.servers.length === 0) return { kind: 'none', cause: 'no name server is configured' };
    if (pending >= MAX_PENDING) return { kind: 'none', cause: 'too many names are being resolved' };
    pending += 1;
    try {
      const deadline = Date.now() + options.timeoutMs;
      const [four, six] = await Promise.all([
        lookUp(options, name, RECORD_TYPE.a, deadline),
        lookUp(options, name, RECORD_TYPE.aaaa, deadline),
      ]);
      const addresses = [four, six].flatMap((found) => (found.kind === 'addresses' ? found.addresses : []));
      if (addresses.length > 0) return { kind: 'addresses', addresses };
      // What went wrong is said rather than that there is nothing.
      return four.kind === 'none' && four.cause !== NOTHING ? four : six.kind === 'none' ? six : { kind: 'none', cause: NOTHING };
    } finally {
      pending -= 1;
    }
  };
}

const NOTHING = 'the name has no address';

async function lookUp(options: ResolverOptions, name: string, type: AddressType, deadline: number): Promise<Resolution> {
  let current = name;
  let aliases = 0;
  for (;;) {
    const reply = await ask(options, current, type, deadline);
    if (reply.kind === 'noName') return { kind: 'none', cause: 'the name does not exist' };
    if (reply.kind === 'failed') return { kind: 'none', cause: reply.cause };
    if (reply.addresses.length > 0) return { kind: 'addresses', addresses: reply.addresses };
    if (reply.aliases === 0) return { kind: 'none', cause: NOTHING };
    // The server does not follow aliases itself.
    aliases += reply.aliases;
    if (aliases > MAX_ALIASES) return { kind: 'none', cause: `the name has more than ${MAX_ALIASES} aliases` };
    current = reply.end;
  }
}

async function ask(options: ResolverOptions, name: string, type: AddressType, deadline: number) {
  const { servers } = options;
  let last: Awaited<ReturnType<typeof exchange>> = { kind: 'failed', cause: 'the name server does not answer in time' };
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const server = servers[attempt % servers.length];
    const left = deadline - Date.now();
    if (server === undefined || left <= 0) break;
    const timeoutMs = attempt === ATTEMPTS - 1 ? left : Math.min(left, options.timeoutMs / ATTEMPTS);
    last = await exchange({ server, name, type, timeoutMs });
    // Another server may know more; the only one said what it knows.
    if (last.kind !== 'failed' || (servers.length === 1 && !last.cause.includes('in time'))) break;
  }
  return last;
}
