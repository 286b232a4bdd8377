// Commands that never started: those people are being asked about, and those that were denied. A client that lost its
// connection asks again under the same id and gets the same answer. Bounded per sandbox.

import type { ExecResult } from '../../client/protocol/exec.ts';
import type { SandboxId } from '../../client/protocol/names.ts';

const MAX_PER_SANDBOX = 256;

interface Entry {
  /** Of the request; another one under the same id is judged anew. */
  readonly digest: string;
  readonly denied: Promise<ExecResult | null> | ExecResult;
}

export class DeniedExecs {
  readonly #bySandbox = new Map<SandboxId, Map<string, Entry>>();

  find(sandbox: SandboxId, execId: string, digest?: string): Promise<ExecResult | null> | ExecResult | null {
    const entry = this.#bySandbox.get(sandbox)?.get(execId);
    return entry === undefined || (digest !== undefined && entry.digest !== digest) ? null : entry.denied;
  }

  add(sandbox: SandboxId, execId: string, digest: string, denied: Promise<ExecResult | null> | ExecResult): void {
    const entries = this.#bySandbox.get(sandbox) ?? new Map<string, Entry>();
    this.#bySandbox.set(sandbox, entries);
    entries.delete(execId);
    const [oldest] = entries.keys();
    if (entries.size >= MAX_PER_SANDBOX && oldest !== undefined) entries.delete(oldest);
    const entry: Entry = { digest, denied };
    entries.set(execId, entry);
    if (!(denied instanceof Promise)) return;
    // What was allowed is remembered by the table of commands.
    const settle = (result: ExecResult | null) => {
      if (entries.get(execId) !== entry) return;
      if (result === null) entries.delete(execId);
      else entries.set(execId, { digest, denied: result });
    };
    denied.then(settle, () => settle(null));
  }

  forget(sandbox: SandboxId): void {
    this.#bySandbox.delete(sandbox);
  }
}
