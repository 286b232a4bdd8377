// The secrets of all sessions, by sandbox id: a sandbox that is restarted keeps them, a session that ends takes them with it.
// Owns which there are; a session's own are session-secrets.ts.

import type { SandboxId } from '../../client/protocol/names.ts';
import type { OutputRedactor, OutputRedactorOptions } from './output-redactor.ts';
import { SecretVault } from './secret-vault.ts';
import { SessionSecrets } from './session-secrets.ts';

/** What a sandbox's commands need to keep values out of their output. */
export interface SecretFilters {
  readonly generation: number;
  filter(generation: number, start: Omit<OutputRedactorOptions, 'automaton'>): OutputRedactor;
}

export class SecretStore {
  readonly #vault: SecretVault;
  /** Only sessions that were ever given one. */
  readonly #sessions = new Map<SandboxId, SessionSecrets>();
  readonly #listeners = new Set<(id: SandboxId) => void>();

  private constructor(vault: SecretVault) {
    this.#vault = vault;
  }

  static async open(stateDir: string): Promise<SecretStore> {
    return new SecretStore(await SecretVault.open(stateDir));
  }

  /** What an earlier daemon sealed for a sandbox that is taken over; before anything of its output is read. */
  async adopt(id: SandboxId): Promise<void> {
    if (this.#sessions.has(id)) return;
    const secrets = await SessionSecrets.open(id, this.#vault);
    if (secrets.generation > 0) this.#add(id, secrets);
  }

  /** Removes what was sealed for sandboxes that are no more. */
  async retain(ids: Iterable<SandboxId>): Promise<void> {
    await this.#vault.retain(new Set(ids));
  }

  /** null: the session was never given a secret. */
  find(id: SandboxId): SessionSecrets | null {
    return this.#sessions.get(id) ?? null;
  }

  /** For setting one. */
  async of(id: SandboxId): Promise<SessionSecrets> {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    return this.#add(id, await SessionSecrets.open(id, this.#vault));
  }

  /** Calls back with the sandbox whose secrets have changed; the result takes the listener off. */
  onChange(listener: (id: SandboxId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  filters(id: SandboxId): SecretFilters {
    const find = (): SessionSecrets | null => this.find(id);
    return {
      get generation() {
        return find()?.generation ?? 0;
      },
      filter: (generation, start) => {
        const secrets = find();
        // Without the values nothing may pass: a gap is better than a leak.
        if (secrets === null) throw new Error(`Cannot redact the output of ${id}: its secrets are gone`);
        return secrets.filter(generation, start);
      },
    };
  }

  /** The session has ended. */
  async close(id: SandboxId): Promise<void> {
    const secrets = this.#sessions.get(id);
    this.#sessions.delete(id);
    await secrets?.close();
  }

  /** The daemon leaves; what is sealed stays. */
  detach(): void {
    for (const secrets of this.#sessions.values()) secrets.detach();
    this.#sessions.clear();
  }

  #add(id: SandboxId, secrets: SessionSecrets): SessionSecrets {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    this.#sessions.set(id, secrets);
    secrets.onChange(() => {
      for (const listener of this.#listeners) listener(id);
    });
    return secrets;
  }
}
