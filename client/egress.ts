// The way out of one sandbox: its policy, and what it says of an address. The daemon decides; nothing is judged here.

import type { Connection } from './connection.ts';
import type { EgressDecision, EgressInForce, EgressPolicy, EgressProposal } from './protocol/index.ts';

/** What egress needs of a sandbox. */
interface EgressHost {
  readonly connection: Connection;
  readonly failure: Error | undefined;
}

export class SandboxEgress {
  readonly #host: EgressHost;
  readonly #sandbox: string;

  /** Made by Sandbox. */
  constructor(host: EgressHost, sandbox: string) {
    this.#host = host;
    this.#sandbox = sandbox;
  }

  /**
   * Replaces the policy of the sandbox at once, for its controller; open connections that it no longer allows are cut.
   * Rejects with POLICY_INVALID, for example under a profile without network.
   * @example await sandbox.egress.set({ allow: ['pypi.org', '*.pythonhosted.org'] });
   */
  async set(policy: EgressPolicy): Promise<EgressInForce> {
    if (this.#host.failure !== undefined) throw this.#host.failure;
    return await this.#host.connection.call('egress.set', { sandbox: this.#sandbox, policy });
  }

  /**
   * What would become of a request, and which rule says so. The name is resolved, nothing is connected to.
   * @example const { verdict, rule, remedy } = await sandbox.egress.explain('https://pypi.org/simple/');
   */
  async explain(url: string): Promise<EgressDecision> {
    if (this.#host.failure !== undefined) throw this.#host.failure;
    return await this.#host.connection.call('egress.explain', { sandbox: this.#sandbox, url });
  }

  /**
   * What a policy with `learn: true` has denied since this daemon started, as the entries that would allow it. At most 512.
   * @example await sandbox.egress.set({ allow: [...known, ...(await sandbox.egress.proposal()).allow] });
   */
  async proposal(): Promise<EgressProposal> {
    if (this.#host.failure !== undefined) throw this.#host.failure;
    return await this.#host.connection.call('egress.proposal', { sandbox: this.#sandbox });
  }
}
