// Commands on the wire: starting, attaching, killing. Owns streams, stdin and what a vanished client leaves behind;
// the commands themselves are daemon/exec.

import { SandboxError } from '../../client/protocol/errors.ts';
import { MAX_START_BYTES, type Command, type ExecResult, type ExecStart } from '../../client/protocol/exec.ts';
import type { ExecTable } from '../exec/exec-table.ts';
import type { Execution } from '../exec/execution.ts';
import { WORKSPACE_ROOT, workspacePath } from '../files/workspace-path.ts';
import { recordAnyway } from '../session/record-anyway.ts';
import type { Session } from '../session/session.ts';
import type { Connection } from './connection.ts';
import { checkpointed } from './checkpointed.ts';
import { type Handler, type HandlerContext, sessionOf } from './handler.ts';
import { secretsFor, shownCommand } from './secret-handlers.ts';
import { pipeOutput, pumpStdin } from './exec-streams.ts';
import { figuresOf } from '../session/exec-figures.ts';
import { deniedExec } from './permission-exec.ts';
import type { OutgoingStream } from './outgoing-stream.ts';

export const startExec: Handler<'exec.start'> = async (context, connection, params) => {
  // Opened before anything is awaited: the client's stdin follows its request at once.
  const streams = connection.openBoth(params.stream, 0, params.stdin === 'pipe');
  try {
    const session = sessionOf(context, connection, params.sandbox);
    return await session.use(async (sandbox) => {
      const permitted = sandbox.execs.get(params.execId) === undefined ? deniedExec(context, connection, session, params) : null;
      const denied = permitted instanceof Promise ? await permitted : permitted;
      if (denied !== null) {
        streams.outgoing?.end();
        return denied;
      }
      // Only now: while people were asked, the same request may have come again.
      const isKnown = sandbox.execs.get(params.execId) !== undefined;
      if (!isKnown) context.pool.assertAccepting(`start command ${params.execId}`);
      const own = { shown: shownCommand(context, session, params.command), ...secretsFor(context, session, params) };
      const begin = () => start(sandbox.execs, sandbox.shell, sandbox.env(params.execId), session.policy.limits.outputBytes, params, own);
      const startNow = () => startAudited(context, connection, session, params, begin);
      const execution = isKnown ? begin() : params.checkpoint ? await checkpointed(context, session, params.execId, startNow) : startNow();
      const isMine = !isKnown || session.claim(params.execId);
      const release = params.background ? () => undefined : leaveBehind(connection, execution, isMine);
      if (streams.incoming !== null && mayWrite(connection, execution)) void pumpStdin(streams.incoming, execution, connection.clientId);
      try {
        return await follow(connection, execution, streams.outgoing, 0, params.yieldMs, !params.background);
      } finally {
        release();
      }
    });
  } finally {
    if (params.stream !== undefined) connection.closeStream(params.stream);
  }
};

export const attachExec: Handler<'exec.attach'> = async (context, connection, params) => {
  const streams = connection.openBoth(params.stream, params.offset, true);
  try {
    const session = sessionOf(context, connection, params.sandbox, 'watch');
    return await session.use(async (sandbox) => {
      const isStarted = sandbox.execs.get(params.execId) !== undefined;
      const waiting = isStarted ? null : context.permissions.denied.find(session.id, params.execId);
      const denied = waiting instanceof Promise ? await waiting : waiting;
      if (denied !== null) {
        streams.outgoing?.end();
        return denied;
      }
      const execution = sandbox.execs.require(params.execId);
      // Whoever only watches misses what it reads too slowly, and the command neither waits for it nor ends with it.
      const takesPart =
        !connection.principal.isReadOnly && session.state === 'running' && connection.roles.canWork(session, connection.clientId);
      const holds = takesPart && !execution.request.background;
      const release = holds ? leaveBehind(connection, execution, session.claim(params.execId)) : () => undefined;
      if (takesPart && streams.incoming !== null && mayWrite(connection, execution))
        void pumpStdin(streams.incoming, execution, connection.clientId);
      try {
        return await follow(connection, execution, streams.outgoing, params.offset, params.yieldMs, holds);
      } finally {
        release();
      }
    });
  } finally {
    if (params.stream !== undefined) connection.closeStream(params.stream);
  }
};

export const killExec: Handler<'exec.kill'> = async (context, connection, params) => {
  const { principal } = connection;
  const session = sessionOf(context, connection, params.sandbox, principal.role === 'operator' ? 'control' : 'work');
  await session.use(async (sandbox) => {
    const by = principal.role === 'operator' ? `operator:${principal.tokenId.slice(0, 8)}` : 'caller';
    if (context.confirmations.cancel(session.id, params.execId)) return;
    sandbox.execs.require(params.execId).kill({ by, ...(params.signal === undefined ? {} : { signal: params.signal }) });
    context.audit.append({
      kind: 'exec.kill',
      tenant: session.tenant,
      session: session.session,
      sandboxId: session.id,
      execId: params.execId,
      by,
      signal: params.signal ?? null,
    });
  });
  return {};
};

export const resizeExec: Handler<'exec.resize'> = async (context, connection, params) => {
  await sessionOf(context, connection, params.sandbox).use(async (sandbox) => sandbox.execs.require(params.execId).resize(params.size));
  return {};
};

export const execList: Handler<'exec.list'> = async (context, connection, params) =>
  sessionOf(context, connection, params.sandbox, 'watch').use(async (sandbox) => ({
    execs: sandbox.execs.list().map((execution) => execution.info()),
  }));

/** Output on the stream while it lasts, then the result; with `yieldMs` whichever is first. */
async function follow(
  connection: Connection,
  execution: Execution,
  stream: OutgoingStream | null,
  offset: number,
  yieldMs: number | undefined,
  holds: boolean,
): Promise<ExecResult> {
  const result = yieldMs === undefined ? execution.result : execution.resultWithin(yieldMs);
  if (stream === null) return result;
  const stopped = new AbortController();
  const output = pipeOutput(connection, execution, stream, offset, holds, stopped.signal);
  // A refused start must not leave the pipe's promise unheard.
  output.catch(() => undefined);
  if (yieldMs !== undefined) {
    const part = await result;
    stopped.abort();
    await output;
    return part;
  }
  const final = await result;
  await output;
  return final;
}

function start(
  execs: ExecTable,
  shell: 'bash' | 'sh',
  sandboxEnv: Readonly<Record<string, string>>,
  maxOutputBytes: number | undefined,
  params: ExecStart,
  own: ReturnType<typeof secretsFor> & { readonly shown: Command },
): Execution {
  const argv = argvOf(params.command, shell);
  if (argv[0] === '') throw new SandboxError('INVALID_REQUEST', 'Cannot start a command: the first argument is empty');
  const env: Record<string, string> = { ...sandboxEnv, ...(params.pty === undefined ? {} : { TERM: 'xterm-256color' }), ...params.env };
  const bytes = [...argv, ...Object.entries({ ...env, ...own.secretEnv }).flat()].reduce(
    (sum, text) => sum + Buffer.byteLength(text) + 2,
    0,
  );
  if (bytes > MAX_START_BYTES)
    throw new SandboxError(
      'TOO_LARGE',
      `Cannot start a command: arguments and environment have ${bytes} bytes, the limit is ${MAX_START_BYTES}`,
      { hint: 'Pass large input by stdin or as a file.' },
    );
  if (maxOutputBytes !== undefined && (params.outputBytes ?? 0) > maxOutputBytes) {
    throw new SandboxError(
      'QUOTA_EXCEEDED',
      `Cannot start a command: outputBytes ${params.outputBytes} is above the sandbox's limit ${maxOutputBytes}`,
      { retry: 'never', hint: 'Leave outputBytes out, or ask for less.' },
    );
  }
  return execs.start({
    execId: params.execId,
    argv,
    env,
    cwd: params.cwd === undefined ? WORKSPACE_ROOT : `${WORKSPACE_ROOT}/${workspacePath(params.cwd)}`,
    stdin: params.stdin,
    pty: params.pty,
    wallMs: params.timeoutMs,
    idleMs: params.idleTimeoutMs,
    outputBytes: params.outputBytes ?? maxOutputBytes,
    outputPolicy: params.outputPolicy,
    background: params.background,
    command: own.shown,
    secrets: own.secrets,
    secretEnv: own.secretEnv,
    labels: params.labels,
  });
}

function argvOf(command: Command, shell: 'bash' | 'sh'): readonly string[] {
  return typeof command === 'string' ? [shell, '-c', command] : command;
}

/**
 * A client that stays away for longer than it said holds no command back any more, and its own foreground ones end.
 * The result is called when this connection follows the command no longer.
 */
function leaveBehind(connection: Connection, execution: Execution, isMine: boolean): () => void {
  const { client } = connection;
  if (client === null) return () => undefined;
  const abandon = () => {
    if (isMine) execution.kill({ by: 'disconnect' });
    execution.gate.release(client.id);
  };
  client.foreground.add(abandon);
  if (isMine) void execution.result.catch(() => undefined).finally(() => client.foreground.delete(abandon));
  return () => {
    if (execution.state === 'ended' || (!isMine && connection.isOpen)) client.foreground.delete(abandon);
  };
}

/** One client writes to a command; another one takes over only where nobody has written under this daemon. */
function mayWrite(connection: Connection, execution: Execution): boolean {
  const { writer } = execution.stdin;
  return execution.request.hasStdin && (writer === null || writer === connection.clientId);
}

/** On record before it starts: what can't be recorded does not run. */
function startAudited(
  context: HandlerContext,
  connection: Connection,
  session: Session,
  params: ExecStart,
  begin: () => Execution,
): Execution {
  const of = { tenant: session.tenant, session: session.session, sandboxId: session.id, execId: params.execId };
  const labels = { ...session.labels, ...params.labels };
  context.audit.append({
    kind: 'exec.start',
    ...of,
    tokenId: connection.principal.tokenId,
    command: shownCommand(context, session, params.command),
    secrets: params.secrets ?? [],
    cwd: params.cwd ?? '',
    envNames: Object.keys(params.env ?? {}),
    background: params.background,
    profile: session.policy.profileName,
    policySha256: session.policy.sha256,
    labels,
    ...(params.traceparent === undefined ? {} : { traceparent: params.traceparent }),
  });
  const end = (outcome: Record<string, unknown>) => recordAnyway(context, { kind: 'exec.end', ...of, ...outcome, labels });
  try {
    const execution = begin();
    // Whatever becomes of its figures, its end is on record.
    void execution.result
      .then(figuresOf)
      .catch(() => ({}))
      .then((figures) => end({ outcome: execution.outcome ?? 'refused', ...figures }));
    return execution;
  } catch (error) {
    end({ outcome: 'refused', code: SandboxError.is(error) ? error.code : 'INTERNAL' });
    throw error;
  }
}
