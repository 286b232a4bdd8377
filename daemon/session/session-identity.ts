// What every audit record of a session states about it, whoever writes the record. Remembers a session until its close is on record.

import type { Session } from './session.ts';

type Identity = Readonly<Record<string, unknown>>;

export class SessionIdentities {
  readonly #daemonVersion: string;
  /** By sandbox id; one per live session. */
  readonly #known = new Map<string, Identity>();
  #find: (sandboxId: string) => Session | undefined = () => undefined;

  constructor(daemonVersion: string) {
    this.#daemonVersion = daemonVersion;
  }

  /** Where sessions are found, once there are any. */
  from(find: (sandboxId: string) => Session | undefined): void {
    this.#find = find;
  }

  of(sandboxId: string, kind: string): Identity | undefined {
    const session = this.#find(sandboxId);
    if (session !== undefined && session.state !== 'closed') this.#known.set(sandboxId, identityOf(session, this.#daemonVersion));
    const identity = this.#known.get(sandboxId);
    if (kind === 'sandbox.close') this.#known.delete(sandboxId);
    return identity;
  }
}

function identityOf(session: Session, daemonVersion: string): Identity {
  const { policy, labels, runningSandbox } = session;
  const receipt = runningSandbox === null ? null : receiptOf(runningSandbox);
  return {
    tenant: session.tenant,
    session: session.session,
    labels,
    profile: policy.profileName,
    policySha256: policy.sha256,
    ...(receipt === null ? {} : { image: receipt.image?.id, seccompSha256: receipt.seccomp?.sha256 }),
    daemonVersion,
  };
}

/** A sandbox that was never handed out has none. */
function receiptOf(sandbox: NonNullable<Session['runningSandbox']>): Partial<typeof sandbox.receipt> | null {
  try {
    return sandbox.receipt;
  } catch {
    return null;
  }
}
