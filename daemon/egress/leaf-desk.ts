// Certificates that the egress process asks for: of hosts whose TLS a sandbox's own policy or secrets have opened, and of no
// others, so that a process that was taken over can pass for nobody else. Owns the check and how much one sandbox may cost.

import type { SandboxId } from '../../client/protocol/names.ts';
import type { Log } from '../observe/log.ts';
import type { GrantedEgress } from '../policy/egress-policy.ts';
import { parseAddress, parseHost } from '../policy/host-name.ts';
import type { EgressTrust } from './egress-trust.ts';
import { compileSecrets } from './header-secrets.ts';
import { compilePolicy } from './judge.ts';
import type { HeaderSecret, Leaf } from './messages.ts';
import { isOpenedHost } from './opened-host.ts';

/** Of one sandbox that are being made; each costs some milliseconds of the daemon. */
const MAX_AT_ONCE = 4;

interface OpenedBy {
  readonly policy: GrantedEgress;
  readonly secrets: () => readonly HeaderSecret[];
}

export class LeafDesk {
  readonly #options: { readonly trust: EgressTrust; readonly log: Log };
  /** How many are being made. */
  readonly #making = new Map<SandboxId, number>();

  constructor(options: { readonly trust: EgressTrust; readonly log: Log }) {
    this.#options = options;
  }

  /** null: not for this host, or not now. */
  async answer(sandbox: SandboxId, host: string, { policy, secrets }: OpenedBy): Promise<Leaf | null> {
    const parsed = parseHost(host) ?? parseAddress(host);
    const making = this.#making.get(sandbox) ?? 0;
    if (parsed === null || parsed.text !== host || making >= MAX_AT_ONCE) return null;
    if (!isOpenedHost(parsed, compilePolicy(policy), compileSecrets(secrets()))) return null;
    this.#making.set(sandbox, making + 1);
    try {
      return await this.#options.trust.leaf(host);
    } catch (error) {
      this.#options.log.error({ err: error }, 'no certificate could be made for a host whose TLS is opened');
      return null;
    } finally {
      const left = (this.#making.get(sandbox) ?? 1) - 1;
      if (left === 0) this.#making.delete(sandbox);
      else this.#making.set(sandbox, left);
    }
  }
}
