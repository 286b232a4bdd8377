// A queue that serves tenants in turn, so that one that asks for a hundred sandboxes does not make the others wait for
// all of them. Owns the order only; p-queue runs what comes out. As bounded as the sessions there may be.

interface Waiting {
  readonly run: () => Promise<unknown>;
  readonly priority: number;
}

export interface TurnOptions {
  /** Whose turn it takes. */
  readonly tenant?: string;
  readonly priority?: number;
}

export class Turns {
  /** In the order of their turns; a tenant with nothing waiting is not in it. */
  readonly #byTenant = new Map<string, Waiting[]>();

  get size(): number {
    let sum = 0;
    for (const waiting of this.#byTenant.values()) sum += waiting.length;
    return sum;
  }

  enqueue(run: () => Promise<unknown>, options: Partial<TurnOptions> = {}): void {
    const tenant = options.tenant ?? '';
    const waiting = this.#byTenant.get(tenant) ?? [];
    waiting.push({ run, priority: options.priority ?? 0 });
    this.#byTenant.set(tenant, waiting);
  }

  /** The oldest of the tenant whose turn it is, which then goes to the end of the line. */
  dequeue(): (() => Promise<unknown>) | undefined {
    const next = this.#byTenant.entries().next().value;
    if (next === undefined) return undefined;
    const [tenant, waiting] = next;
    const first = waiting.shift();
    this.#byTenant.delete(tenant);
    if (waiting.length > 0) this.#byTenant.set(tenant, waiting);
    return first?.run;
  }

  filter({ priority }: Readonly<Partial<TurnOptions>>): (() => Promise<unknown>)[] {
    return [...this.#byTenant.values()].flat().flatMap((one) => (one.priority === priority ? [one.run] : []));
  }

  /** Turns go by tenant and not by priority. */
  setPriority(): void {
    return undefined;
  }
}
