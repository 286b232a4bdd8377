// Permissions on the wire: what a session is held to, and what would be said of a call. Nothing is started or recorded.

import { namesThatMatter } from '../policy/shell/analyze.ts';
import { shownCommand } from '../policy/shell/simple-command.ts';
import { WORKSPACE_ROOT } from '../files/workspace-path.ts';
import { operatorSha256, permissionsSha256, sourcesOf } from '../policy/permission-policy.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { type Handler, sessionOf } from './handler.ts';
import { fileRequests } from './permission-checks.ts';

const MAX_SHOWN = 100;

export const permissionsGet: Handler<'permissions.get'> = async (context, connection, params) => {
  const session = sessionOf(context, connection, params.sandbox, 'watch');
  const { permissions, profileName, sha256: policySha256 } = session.policy;
  const narrowed = context.permissions.gate.narrowedBy(session);
  return {
    ...permissions,
    sources: sourcesOf(permissions),
    sha256: permissionsSha256(permissions),
    policySha256,
    narrowedBySha256: narrowed === null ? null : operatorSha256(narrowed),
    profile: profileName,
  };
};

export const permissionsExplain: Handler<'permissions.explain'> = async (context, connection, { sandbox, tool, command, args }) => {
  const session = sessionOf(context, connection, sandbox, 'watch');
  const { gate } = context.permissions;
  const isCommand = tool === 'exec' || tool === 'shell';
  if (isCommand !== (command !== undefined))
    throw new SandboxError('INVALID_REQUEST', `Cannot explain ${tool}: ${isCommand ? 'the command is missing' : 'it has no command'}`, {
      hint: 'Pass command with the tools exec and shell, args with all others.',
    });
  const line = { cwd: WORKSPACE_ROOT, isFed: tool === 'shell', envNames: namesThatMatter(Object.keys(session.env)) };
  const path = args['path'];
  const to = args['to'];
  const requests =
    tool.startsWith('files.') && path !== undefined
      ? fileRequests(tool, { path, ...(to === undefined ? {} : { to }) }).slice(0, 1)
      : [{ tool, args }];
  const { verdict, reason, rule, remedy } = gate.decide(session, (permissions) =>
    command === undefined
      ? gate.engine.decide(requests[0] ?? { tool, args }, permissions)
      : gate.engine.decideCommand(command, line, permissions),
  );
  const commands = command === undefined ? [] : gate.engine.line(command, line).commands.slice(0, MAX_SHOWN).map(shownCommand);
  return { verdict, reason, rule, ...(remedy === undefined ? {} : { remedy }), commands };
};
