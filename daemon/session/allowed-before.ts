// What a session's people have allowed for its whole life: exactly this rule and these arguments. In memory only, so that after
// a restart they are asked again. Bounded.

import { createHash } from 'node:crypto';
import type { SandboxId } from '../../client/protocol/names.ts';

const MAX_PER_SANDBOX = 256;

export class AllowedBefore {
  readonly #shapes = new Map<SandboxId, Set<string>>();

  /** `shape`: rule, tool and every argument, in a settled order. */
  has(sandbox: SandboxId, shape: unknown): boolean {
    return this.#shapes.get(sandbox)?.has(digest(shape)) === true;
  }

  add(sandbox: SandboxId, shape: unknown): void {
    const shapes = this.#shapes.get(sandbox) ?? new Set();
    this.#shapes.set(sandbox, shapes);
    const [oldest] = shapes;
    if (shapes.size >= MAX_PER_SANDBOX && oldest !== undefined) shapes.delete(oldest);
    shapes.add(digest(shape));
  }

  forget(sandbox: SandboxId): void {
    this.#shapes.delete(sandbox);
  }
}

const digest = (shape: unknown): string => createHash('sha256').update(JSON.stringify(shape)).digest('base64url');
