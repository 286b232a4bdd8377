// Decisions of commands that still run, until their results take them. Bounded per command; the audit log has them all.

import type { EgressDecision, ExecResult, Note } from '../../client/protocol/exec.ts';

const MAX_PER_COMMAND = 100;
const MAX_COMMANDS = 256;
const MAX_NAMED = 3;

interface Page {
  readonly decisions: EgressDecision[];
  /** Beyond those that are kept. */
  more: number;
  denied: number;
}

export class DecisionBook {
  readonly #pages = new Map<string, Page>();

  add(execId: string, decision: EgressDecision): void {
    const page = this.#pages.get(execId) ?? { decisions: [], more: 0, denied: 0 };
    if (!this.#pages.has(execId) && this.#pages.size >= MAX_COMMANDS) return;
    this.#pages.set(execId, page);
    if (decision.verdict === 'deny') page.denied += 1;
    if (page.decisions.length < MAX_PER_COMMAND) page.decisions.push(decision);
    else page.more += 1;
  }

  /** The result with what was decided for its command, which is then forgotten. */
  complete(draft: ExecResult, open: readonly EgressDecision[]): ExecResult {
    for (const decision of open) this.add(draft.id, decision);
    const page = this.#pages.get(draft.id);
    this.#pages.delete(draft.id);
    if (page === undefined) return draft;
    const denied = page.decisions.filter(({ verdict }) => verdict === 'deny');
    const named = denied.slice(0, MAX_NAMED).map(({ host, port, reason }) => `${host}:${port} (${reason})`);
    const parts = [
      ...(page.denied === 0 ? [] : [`${page.denied} denied: ${named.join(', ')}${page.denied > named.length ? ', ...' : ''}`]),
      ...(page.more === 0 ? [] : [`${page.more} decisions more than are listed`]),
    ];
    const notes: Note[] = page.denied === 0 ? [] : [{ code: 'egressDenied', detail: parts.join('; ') }];
    return { ...draft, egress: page.decisions, notes: [...draft.notes, ...notes] };
  }
}
