// Which sessions there are, by name and by sandbox id, and the place that one more needs. Owns the two indexes and what
// was reserved for each entry; starts and ends nothing.

import type { SandboxId, SessionName, TenantName } from '../../client/protocol/names.ts';
import type { Session } from './session.ts';

export interface Entry {
  readonly session: Session;
  /** Settles when its sandbox is started, at first or anew; rejects when it can't be. */
  ready: Promise<void>;
  /** Gives back what was reserved for it, once. */
  readonly release: () => void;
  /** Its end under way. */
  closing: Promise<void> | null;
  /** While it closes: a session that is opened into its place waits for that. */
  hasSuccessor: boolean;
}

export class SessionTable {
  readonly #byName = new Map<string, Entry>();
  readonly #byId = new Map<SandboxId, Entry>();

  get size(): number {
    return this.#byId.size;
  }

  /** A copy: entries come and go while one walks over it. */
  all(): Entry[] {
    return [...this.#byId.values()];
  }

  sessions(): Session[] {
    return this.all().map(({ session }) => session);
  }

  byId(id: SandboxId): Entry | undefined {
    return this.#byId.get(id);
  }

  byName(tenant: TenantName, session: SessionName): Entry | undefined {
    return this.#byName.get(keyOf(tenant, session));
  }

  /** Of the tenant's sessions the one that works on this workspace. */
  onWorkspace(tenant: TenantName, workspaceName: string): Session | undefined {
    return this.sessions().find((session) => session.tenant === tenant && session.workspaceName === workspaceName);
  }

  add(entry: Entry): void {
    this.#byName.set(keyOf(entry.session.tenant, entry.session.session), entry);
    this.#byId.set(entry.session.id, entry);
  }

  forget(entry: Entry): void {
    const key = keyOf(entry.session.tenant, entry.session.session);
    if (this.#byName.get(key) === entry) this.#byName.delete(key);
    this.#byId.delete(entry.session.id);
    entry.release();
  }
}

const keyOf = (tenant: TenantName, session: SessionName): string => `${tenant}/${session}`;
