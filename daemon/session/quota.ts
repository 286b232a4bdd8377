// Ceilings per tenant and per host. Reservations are taken and given back in one step each, so no two
// openings can both take the last place.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Limits } from '../../client/protocol/limits.ts';
import type { TenantName } from '../../client/protocol/names.ts';

export interface Ceiling {
  readonly sandboxes?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly cpus?: number | undefined;
  readonly diskBytes?: number | undefined;
  readonly execs?: number | undefined;
}

type Usage = { -readonly [K in keyof Required<Ceiling>]: number };
const KEYS = ['sandboxes', 'memoryBytes', 'cpus', 'diskBytes', 'execs'] as const;

export class Quotas {
  readonly #perTenant: Ceiling;
  readonly #host: Ceiling;
  readonly #tenants = new Map<TenantName, Usage>();
  readonly #total: Usage = zero();
  /** Of spares, which are nobody's: they make room for whoever needs it. */
  readonly #spares: Usage = zero();

  constructor(options: { readonly perTenant: Ceiling; readonly host: Ceiling }) {
    this.#perTenant = options.perTenant;
    this.#host = options.host;
  }

  /** Reserves all of it or throws QUOTA_EXCEEDED (tenant) or CAPACITY (host); the result gives it back, once. */
  reserve(tenant: TenantName, limits: Limits): () => void {
    const wanted = usageOf(limits);
    const used = this.#tenants.get(tenant) ?? zero();
    const tenantKey = exceeded(used, wanted, this.#perTenant);
    if (tenantKey !== null) {
      throw new SandboxError(
        'QUOTA_EXCEEDED',
        `Cannot open a sandbox: quota ${tenantKey} of tenant ${tenant} is ${this.#perTenant[tenantKey]}, in use ${used[tenantKey]}, asked ${wanted[tenantKey]}`,
      );
    }
    const hostKey = exceeded(this.#total, wanted, this.#host);
    if (hostKey !== null) {
      throw new SandboxError('CAPACITY', `Cannot open a sandbox: the host's ${hostKey} ceiling ${this.#host[hostKey]} is reached`, {
        retryAfterMs: 5000,
      });
    }
    return this.hold(tenant, limits);
  }

  /** Counts what is in use already, whatever the ceilings: nothing more is admitted until it fits again. */
  hold(tenant: TenantName, limits: Limits): () => void {
    const wanted = usageOf(limits);
    const used = this.#tenants.get(tenant) ?? zero();
    add(used, wanted, 1);
    add(this.#total, wanted, 1);
    this.#tenants.set(tenant, used);
    return once(() => {
      add(used, wanted, -1);
      add(this.#total, wanted, -1);
      if (used.sandboxes === 0) this.#tenants.delete(tenant);
    });
  }

  /** Counts a spare in if the host has room for it; no tenant is ever refused because of one. */
  holdSpare(limits: Limits): (() => void) | null {
    const wanted = usageOf(limits);
    if (exceeded(this.#all, wanted, this.#host) !== null) return null;
    add(this.#spares, wanted, 1);
    return once(() => add(this.#spares, wanted, -1));
  }

  /** With the spares more is in use than the host's ceilings allow. */
  get isCrowded(): boolean {
    return exceeded(this.#all, zero(), this.#host) !== null;
  }

  get #all(): Usage {
    const all = { ...this.#total };
    add(all, this.#spares, 1);
    return all;
  }
}

function once(release: () => void): () => void {
  let isHeld = true;
  return () => {
    if (isHeld) release();
    isHeld = false;
  };
}

const zero = (): Usage => ({ sandboxes: 0, memoryBytes: 0, cpus: 0, diskBytes: 0, execs: 0 });

const usageOf = ({ memoryBytes, cpus, diskBytes, execs }: Limits): Usage => ({ sandboxes: 1, memoryBytes, cpus, diskBytes, execs });

function exceeded(used: Usage, wanted: Usage, ceiling: Ceiling): (typeof KEYS)[number] | null {
  return KEYS.find((key) => ceiling[key] !== undefined && sum(key, used[key], wanted[key]) > ceiling[key]) ?? null;
}

/** Fractions of CPUs add up without the dust of binary fractions: 0.1 and 0.2 fit into 0.3, and all given back is 0. */
function sum(key: (typeof KEYS)[number], a: number, b: number): number {
  return key === 'cpus' ? Math.round((a + b) * 1e6) / 1e6 : a + b;
}

function add(target: Usage, amount: Usage, sign: 1 | -1): void {
  for (const key of KEYS) target[key] = sum(key, target[key], sign * amount[key]);
}
