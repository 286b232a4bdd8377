// The sandboxes that this endpoint has open, and the handles of commands started through it. Owns how a sandbox of a tenant is
// found by the id E2B's clients know: ours without its prefix, so that the host of a port is a host of a preview.

import { type Execution, type Sandbox, type SandboxInfo, SandboxError } from '../../client/index.ts';
import { SandboxId, type TenantName } from '../../client/protocol/names.ts';
import { hasGivenUp, type TenantClients } from './tenant-clients.ts';

const ID_PREFIX = 'sb_';

export interface LiveSandbox {
  readonly sandbox: Sandbox;
  readonly tenant: TenantName;
  /** The same one, to read the output of commands with. */
  readonly watched: () => Promise<Sandbox>;
  /** By pid, while they run: what stdin is written through. At most as many as the sandbox may run commands. */
  readonly running: Map<number, Execution>;
}

export const publicIdOf = (id: string): string => id.slice(ID_PREFIX.length);

/** NOT_FOUND where it can be nobody's. */
export function sandboxIdOf(text: string): SandboxId {
  const parsed = SandboxId.safeParse(`${ID_PREFIX}${text}`);
  if (!parsed.success) throw noSandbox(text);
  return parsed.data;
}

export class LiveSandboxes {
  readonly #clients: TenantClients;
  /** One per sandbox that lives; swept. */
  readonly #open = new Map<string, Promise<LiveSandbox>>();
  /** As they were listed last, and what was made since; at most as many as live. */
  readonly #known = new Map<TenantName, readonly SandboxId[]>();

  constructor(clients: TenantClients) {
    this.#clients = clients;
  }

  add(sandbox: Sandbox, tenant: TenantName): void {
    const id = SandboxId.parse(sandbox.id);
    this.#open.set(nameOf(tenant, id), Promise.resolve(this.#live(sandbox, tenant)));
    this.#known.set(tenant, [...(this.#known.get(tenant) ?? []), id]);
  }

  /** NOT_FOUND: it is another tenant's, or none. What `work` rejects with tells whether it is gone. */
  async use<T>(tenant: TenantName, id: SandboxId, work: (live: LiveSandbox) => Promise<T>): Promise<T> {
    return await this.#clients.use(tenant, async () => {
      const name = nameOf(tenant, id);
      const opening = this.#open.get(name) ?? this.#join(tenant, id);
      this.#open.set(name, opening);
      try {
        return await work(await opening);
      } catch (error) {
        const isOver = SandboxError.is(error) && (error.retry === 'new-session' || error.code === 'NOT_FOUND');
        const isBroken = await opening.then(
          () => false,
          () => true,
        );
        if ((isOver || isBroken || hasGivenUp(error)) && this.#open.get(name) === opening) this.#open.delete(name);
        throw error;
      }
    });
  }

  /** With its files. */
  async close(tenant: TenantName, id: SandboxId): Promise<void> {
    await this.use(tenant, id, ({ sandbox }) => sandbox.close({ workspace: 'delete' }));
    this.#open.delete(nameOf(tenant, id));
  }

  async list(tenant: TenantName): Promise<SandboxInfo[]> {
    return await this.#clients.use(tenant, (client) => client.list());
  }

  async info(tenant: TenantName, id: SandboxId): Promise<SandboxInfo> {
    const info = (await this.list(tenant)).find((one) => one.id === id);
    if (info === undefined) throw noSandbox(publicIdOf(id));
    return info;
  }

  /** Those that live, as far as the last look tells. */
  known(): { readonly id: SandboxId; readonly tenant: TenantName }[] {
    return [...this.#known].flatMap(([tenant, ids]) => ids.map((id) => ({ id, tenant })));
  }

  /** Lists them, and forgets what has ended; what was made while they were listed stays. */
  async look(tenant: TenantName): Promise<SandboxInfo[]> {
    const before = this.#known.get(tenant) ?? [];
    const open = [...this.#open.keys()].filter((name) => name.startsWith(nameOf(tenant, '')));
    const infos = await this.list(tenant);
    const live = infos.map(({ id }) => id);
    const names = new Set(live.map((id) => nameOf(tenant, id)));
    for (const name of open) if (!names.has(name)) this.#open.delete(name);
    const made = (this.#known.get(tenant) ?? []).filter((id) => !before.includes(id) && !live.includes(id));
    this.#known.set(tenant, [...live, ...made]);
    return infos;
  }

  /** Of this daemon's time or an earlier one's. */
  async #join(tenant: TenantName, id: SandboxId): Promise<LiveSandbox> {
    const { session } = await this.info(tenant, id);
    const sandbox = await this.#clients.use(tenant, (client) => client.open({ session, sandbox: id }));
    return this.#live(sandbox, tenant);
  }

  #live(sandbox: Sandbox, tenant: TenantName): LiveSandbox {
    const { id, session } = sandbox;
    const watched = () => this.#clients.use(tenant, (client) => client.open({ session, sandbox: id, role: 'observer' }), 'watch');
    return { sandbox, tenant, watched, running: new Map() };
  }
}

const nameOf = (tenant: TenantName, id: string): string => `${tenant} ${id}`;

export const noSandbox = (id: string): SandboxError =>
  new SandboxError('NOT_FOUND', `Cannot find sandbox ${JSON.stringify(id.slice(0, 64))}: there is none of this id`, {
    hint: 'Sandbox.list() shows those that live.',
  });
