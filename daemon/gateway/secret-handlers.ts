// Secrets on the wire: setting them, giving them to commands, keeping them out of what is written about commands.
// Owns nothing of the values; what is recorded of a secret is its name.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Command, ExecStart } from '../../client/protocol/exec.ts';
import type { OpenRequest } from '../../client/protocol/session.ts';
import type { Secret } from '../../client/protocol/secrets.ts';
import { parseHostPattern } from '../policy/host-pattern.ts';
import type { Session } from '../session/session.ts';
import type { Connection } from './connection.ts';
import { type Handler, type HandlerContext, sessionOf } from './handler.ts';
import { assertPermitted } from './permission-checks.ts';

export const setSecret: Handler<'secrets.set'> = async (context, connection, params) => {
  const session = sessionOf(context, connection, params.sandbox, 'control');
  await session.use(() => set(context, connection, session, params.name, params.secret));
  return {};
};

/** Before anything is made: who only joins brings no secrets, and hosts are what they claim to be. */
export function assertSecretsFit(request: OpenRequest): void {
  if (request.secrets === undefined) return;
  if (request.role !== 'controller')
    throw new SandboxError('FORBIDDEN', `Cannot open session ${request.session}: only its controller sets secrets`);
  for (const [name, secret] of Object.entries(request.secrets)) assertHosts(name, secret);
}

/** Those of an open, before its answer. A session that was made for it does not stay without them. */
export async function setOpenSecrets(
  context: HandlerContext,
  connection: Connection,
  session: Session,
  request: OpenRequest,
  isNew: boolean,
): Promise<void> {
  try {
    for (const [name, secret] of Object.entries(request.secrets ?? {}))
      await session.use(() => set(context, connection, session, name, secret));
  } catch (error) {
    if (isNew) await context.pool.close(session, 'its secrets could not be set');
    throw error;
  }
}

/** What a command has of them: names for its identity, values for its start alone. */
export function secretsFor(
  context: HandlerContext,
  session: Session,
  params: ExecStart,
): { secrets?: readonly string[]; secretEnv?: Record<string, string> } {
  if (params.secrets === undefined || params.secrets.length === 0) return {};
  const own = context.secrets.find(session.id);
  if (own === null)
    throw new SandboxError('INVALID_REQUEST', `Cannot use secret ${params.secrets.join(', ')}: the session has none of this name`, {
      hint: 'Set it first: open({ secrets }) or sandbox.secrets.set(name, secret).',
    });
  return { secrets: params.secrets, secretEnv: own.environment(params.secrets) };
}

/** A command as it may be written down and shown. */
export function shownCommand(context: HandlerContext, session: Session, command: Command): Command {
  const own = context.secrets.find(session.id);
  if (own === null) return command;
  return typeof command === 'string' ? own.redactText(command) : command.map((part) => own.redactText(part));
}

async function set(context: HandlerContext, connection: Connection, session: Session, name: string, secret: Secret): Promise<void> {
  assertHosts(name, secret);
  assertCanBeFilledIn(name, secret, session);
  await assertPermitted(context, connection, session, `set secret ${name}`, [{ tool: 'secrets.set', args: { name } }]);
  // Announced before it holds, like every change of what a session may do.
  context.audit.append({
    kind: 'secret.set',
    tenant: session.tenant,
    session: session.session,
    sandboxId: session.id,
    tokenId: connection.principal.tokenId,
    name,
    as: secret.as ?? 'env',
    hosts: secret.hosts ?? [],
    labels: session.labels,
    policySha256: session.policy.sha256,
  });
  const own = await context.secrets.of(session.id);
  await own.set(name, secret);
  // A command that is started after this finds the proxy ready.
  await session.sandbox().egress?.secretsChanged();
}

function assertHosts(name: string, secret: Secret): void {
  const wrong = (secret.hosts ?? []).find((host) => parseHostPattern(host.toLowerCase()) === null);
  if (wrong !== undefined)
    throw new SandboxError('INVALID_REQUEST', `Cannot set secret ${name}: ${JSON.stringify(wrong)} is neither a host name nor a *.suffix`);
}

/** A header secret that could never be put in is no secret but a mistake. */
function assertCanBeFilledIn(name: string, secret: Secret, session: Session): void {
  if (secret.as !== 'header') return;
  if (session.policy.profile.network === 'none')
    throw new SandboxError(
      'POLICY_INVALID',
      `Cannot set secret ${name}: profile ${session.policy.profileName} has no network to send it to`,
      {
        hint: 'Use the profile workspace-write and allow its hosts, or give it as env.',
      },
    );
  if (!/^[\t\x20-\x7e\x80-\u{10ffff}]+$/u.test(secret.value))
    throw new SandboxError('INVALID_REQUEST', `Cannot set secret ${name}: a header field can't have line ends or control characters`);
}
