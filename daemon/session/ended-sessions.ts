// Sandboxes that are gone, remembered for a while, so that a late call learns why and not only that it failed.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId, SessionName, TenantName } from '../../client/protocol/names.ts';
import type { Principal } from '../auth/principal.ts';
import { maySee } from '../auth/access.ts';
import type { Session } from './session.ts';

const MAX_REMEMBERED = 2048;

interface Ended {
  readonly tenant: TenantName;
  readonly session: SessionName;
  readonly code: 'SESSION_EXPIRED' | 'SANDBOX_FAILED';
  readonly reason: string;
}

export class EndedSessions {
  readonly #ended = new Map<SandboxId, Ended>();

  add(session: Session, code: Ended['code'], reason: string): void {
    // Not the session itself, which holds its sandbox and all its commands.
    this.#ended.set(session.id, { tenant: session.tenant, session: session.session, code, reason });
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= MAX_REMEMBERED) break;
      this.#ended.delete(oldest);
    }
  }

  /** Throws what a client has to know that asks for a sandbox which its session does not have any more. */
  assertStill(asked: SandboxId | undefined, present: SandboxId | undefined, principal: Principal): void {
    if (asked === undefined || asked === present) return;
    throw this.errorFor(asked, principal) ?? new SandboxError('SESSION_EXPIRED', `Cannot go on in sandbox ${asked}: it has ended`);
  }

  /** Why it is gone, for whoever could see it; null: never heard of it. */
  errorFor(id: SandboxId, principal: Principal): SandboxError | null {
    const ended = this.#ended.get(id);
    if (ended === undefined || !maySee(principal, ended.tenant, ended.session)) return null;
    return new SandboxError(ended.code, `Cannot use sandbox ${id}: ${ended.reason}`);
  }
}
