// Calls of the wire as the permission engine sees them: files and all that is no command. A denied call is an error.

import { SandboxError } from '../../client/protocol/errors.ts';
import { WORKSPACE_ROOT, workspacePath } from '../files/workspace-path.ts';
import type { Decision } from '../policy/decide.ts';
import { stricter } from '../policy/decide.ts';
import type { PermissionRequest } from '../policy/tools.ts';
import type { Call, Denial } from '../session/permission-gate.ts';
import type { Session } from '../session/session.ts';
import type { Connection } from './connection.ts';
import type { HandlerContext } from './handler.ts';

/** Throws PERMISSION_DENIED; resolves, or returns, when every one of the requests is permitted. */
export function assertPermitted(
  context: HandlerContext,
  connection: Connection,
  session: Session,
  doing: string,
  requests: readonly PermissionRequest[],
): void | Promise<void> {
  const [first] = requests;
  if (first === undefined) return;
  const { gate } = context.permissions;
  const decision = gate.decide(session, (permissions) =>
    requests.map((request) => gate.engine.decide(request, permissions)).reduce((worst: Decision, found) => stricter(worst, found)),
  );
  const call: Call = {
    ...callOf(context, connection, session, session.labels),
    tool: first.tool,
    shown: first.args,
    shape: requests.map(({ tool, args, host }) => [tool, Object.entries(args), host ?? null]),
  };
  const settle = (denial: Denial | null): void => {
    if (denial === null) return;
    throw new SandboxError('PERMISSION_DENIED', `Cannot ${doing}: ${denial.reason} (rule ${denial.rule})`, { hint: denial.remedy });
  };
  const permitted = gate.permit(session, call, decision);
  return permitted instanceof Promise ? permitted.then(settle) : settle(permitted);
}

/** What every call of a session has. */
export function callOf(context: HandlerContext, connection: Connection, session: Session, labels: Readonly<Record<string, string>>) {
  return {
    tokenId: connection.principal.tokenId,
    clientId: connection.clientId,
    labels,
    redact: (text: string) => context.secrets.find(session.id)?.redactText(text) ?? text,
  };
}

/** What else an operation on files is: who may not write may not copy over it either. */
const ALSO: Readonly<Record<string, readonly ['path' | 'to', string][]>> = {
  'files.view': [['path', 'files.read']],
  'files.edit': [['path', 'files.write']],
  'files.insert': [['path', 'files.write']],
  'files.patch': [['path', 'files.write']],
  'files.undoEdit': [['path', 'files.write']],
  'files.upload': [['path', 'files.write']],
  'files.download': [['path', 'files.read']],
  'files.copy': [
    ['path', 'files.read'],
    ['to', 'files.write'],
  ],
  'files.move': [
    ['path', 'files.remove'],
    ['to', 'files.write'],
  ],
};

/** Throws what the call itself would: a path that leads out, or is none, is that whatever the rules say of it. */
export function fileRequests(operation: string, target: { readonly path: string; readonly to?: string }): readonly PermissionRequest[] {
  const path = absolute(workspacePath(target.path));
  const to = target.to === undefined ? undefined : absolute(workspacePath(target.to));
  return [
    { tool: operation, args: { path, ...(to === undefined ? {} : { to }) } },
    ...(ALSO[operation] ?? []).map(([which, tool]) => ({ tool, args: { path: which === 'to' ? (to ?? '') : path } })),
  ];
}

/** Of operations on the workspace as a whole, and of those on one of its trees. */
export function callRequests(operation: string, about: Readonly<Record<string, unknown>> = {}): readonly PermissionRequest[] {
  const { path } = about;
  return typeof path === 'string' ? fileRequests(operation, { path }) : [{ tool: operation, args: {} }];
}

/** Absolute, without dots; null: the call will be refused for its path. */
export function readPath(path: string): string | null {
  try {
    return absolute(workspacePath(path));
  } catch {
    return null;
  }
}

const absolute = (inside: string): string => (inside === '' ? WORKSPACE_ROOT : `${WORKSPACE_ROOT}/${inside}`);
