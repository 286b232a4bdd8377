// What an allowlist that learns has denied and could have allowed: the entries that would let it through. Bounded; owns
// nothing but the list. Addresses are never proposed, nor what no policy can open.

import type { EgressEntry, EgressProposal } from '../../client/protocol/egress.ts';
import { EgressMethod } from '../../client/protocol/egress.ts';
import type { EgressDecision } from '../../client/protocol/exec.ts';
import { parseHost } from '../policy/host-name.ts';
import { canonicalPath } from '../policy/host-path.ts';

const MAX_ENTRIES = 512;
const USUAL_PORTS: ReadonlySet<number> = new Set([80, 443]);
const LEARNED: ReadonlySet<string> = new Set(['notAllowed', 'portNotAllowed', 'requestNotAllowed']);

type Seen = EgressProposal['seen'][number];

export class ProposalBook {
  readonly #seen = new Map<string, Seen>();
  #omitted = 0;

  add(decision: EgressDecision): void {
    const entry = entryFor(decision);
    if (entry === null) return;
    const key = JSON.stringify(entry);
    const known = this.#seen.get(key);
    if (known === undefined && this.#seen.size >= MAX_ENTRIES) {
      this.#omitted += 1;
      return;
    }
    const { at, reason } = decision;
    this.#seen.set(key, { entry, reason, count: (known?.count ?? 0) + 1, firstAt: known?.firstAt ?? at, lastAt: at });
  }

  proposal(): EgressProposal {
    const seen = [...this.#seen.values()];
    return { allow: seen.map(({ entry }) => entry), seen, omitted: this.#omitted };
  }
}

/** null: no entry would let it through, or none that should be proposed. */
function entryFor({ verdict, reason, host, port, method, path }: EgressDecision): EgressEntry | null {
  if (verdict !== 'deny' || !LEARNED.has(reason) || port === 0 || parseHost(host)?.kind !== 'name') return null;
  const text = USUAL_PORTS.has(port) && !(method === 'CONNECT' && port === 80) ? host : `${host}:${port}`;
  if (reason !== 'requestNotAllowed') return text;
  const known = EgressMethod.safeParse(method);
  const plain = path === undefined ? null : canonicalPath(path);
  return known.success && plain !== null && plain.length < 256 ? { host: text, methods: [known.data], paths: [plain] } : null;
}
