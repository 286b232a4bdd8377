// The roles in which one connection has opened sessions, and what they let it do. Owns the rule; what a token allows
// whatever the role is daemon/auth's.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { SessionRole } from '../../client/protocol/session.ts';
import type { Principal } from '../auth/principal.ts';
import type { Session } from './session.ts';

/** `watch`: see commands and their output. `work`: run them and use files. `control`: close, extend, change policy. */
export type Need = 'watch' | 'work' | 'control';

export class OpenedRoles {
  /** One entry per open session; it goes when the session ends. */
  readonly #roles = new Map<SandboxId, Set<SessionRole>>();

  add(id: SandboxId, role: SessionRole): void {
    const roles = this.#roles.get(id) ?? new Set();
    this.#roles.set(id, roles.add(role));
  }

  /** As its controller, and nothing else. */
  holdsOnly(id: SandboxId): boolean {
    const roles = this.#roles.get(id);
    return this.#roles.size === 1 && roles?.size === 1 && roles.has('controller');
  }

  /** True: it was opened here. */
  forget(id: SandboxId): boolean {
    return this.#roles.delete(id);
  }

  canWork(session: Session, clientId: string): boolean {
    return this.#controls(session, clientId) || this.#roles.get(session.id)?.has('participant') === true;
  }

  /**
   * Throws LEASE_LOST to a controller that was fenced off, SESSION_BUSY, FORBIDDEN, INVALID_REQUEST where an open is missing;
   * and why the session has ended, which takes every role with it.
   */
  assertMay(need: Need, session: Session, clientId: string, principal: Principal): void {
    const roles = this.#roles.get(session.id);
    if (this.#controls(session, clientId)) return;
    if (need !== 'control' && this.canWork(session, clientId)) return;
    if (need === 'watch' && roles?.has('observer') === true) return;
    // An operator looks and ends without taking part; to work in a session it joins like anyone.
    if (need !== 'work' && principal.role === 'operator') return;
    if (roles?.has('controller') === true)
      throw new SandboxError('LEASE_LOST', `Cannot act on session ${session.session}: another connection took it over`);
    if (roles !== undefined) {
      throw new SandboxError(
        'FORBIDDEN',
        `Cannot act on session ${session.session}: this connection opened it as ${[...roles].join(' and ')}`,
        {
          hint: 'A participant runs commands and uses files, an observer only watches; the controller closes and extends.',
        },
      );
    }
    const ended = session.ended();
    if (ended !== null) throw ended;
    if (need !== 'control') {
      throw new SandboxError('INVALID_REQUEST', `Cannot act on session ${session.session}: this connection has not opened it`, {
        hint: 'Call open first; the role participant joins a session beside its controller.',
      });
    }
    if (session.isControlled)
      throw new SandboxError('SESSION_BUSY', `Cannot control session ${session.session}: another connection holds it`);
  }

  #controls(session: Session, clientId: string): boolean {
    return session.controller === clientId && this.#roles.get(session.id)?.has('controller') === true;
  }
}
