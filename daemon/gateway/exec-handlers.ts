// Commands on the wire: starting, attaching, killing. Owns streams, stdin and what a vanished client leaves behind;
// the commands themselves are daemon/exec.

import { SandboxError } from '../../client/protocol/errors.ts';
import { MAX_START_BYTES, type Command, type ExecResult, type ExecStart } from '../../client/protocol/exec.ts';
import type { ExecTable } from '../exec/exec-table.ts';
import type { Execution } from '../exec/execution.ts';
import { WORKSPACE_ROOT, workspacePath } from '../files/workspace-path.ts';
import type { Session } from '../session/session.ts';
import type { Connection } from './connection.ts';
import { type Handler, type HandlerContext, sessionOf } from './handler.ts';
import { pipeOutput, pumpStdin } from './exec-streams.ts';

export const startExec: Handler<'exec.start'> = async (context, connection, params) => {
  // Opened before anything is awaited: the client's stdin follows its request at once.
  const stdin = params.stdin === 'pipe' && params.stream !== undefined ? connection.openIncoming(params.stream, null) : null;
  try {
    const session = sessionOf(context, connection, params.sandbox);
    return await session.use(async (sandbox) => {
      const isKnown = sandbox.execs.get(params.execId) !== undefined;
      const execution = start(sandbox.execs, sandbox.shell, sandbox.env, params);
      if (!isKnown) {
        auditStart(context, connection, session, params);
        void execution.result.then(() => undefined, () => undefined).then(() => auditEnd(context, session, execution));
      }
      const isMine = !isKnown || session.claim(params.execId);
      const release = params.background || !isMine ? () => undefined : abandonWith(connection, execution);
      if (stdin !== null) void pumpStdin(stdin, execution, connection.clientId);
      try {
        return await follow(connection, execution, params.stream, 0, params.yieldMs, params.background);
      } finally {
        if (execution.state === 'ended') release();
      }
    });
  } finally {
    if (params.stream !== undefined) connection.closeStream(params.stream);
  }
};

export const attachExec: Handler<'exec.attach'> = async (context, connection, params) => {
  try {
    const session = sessionOf(context, connection, params.sandbox);
    return await session.use(async (sandbox) => {
      const execution = sandbox.execs.require(params.execId);
      if (session.claim(params.execId)) abandonWith(connection, execution);
      const { writer } = execution.stdin;
      const isWriter = execution.request.hasStdin && (writer === null || writer === connection.clientId);
      if (isWriter && params.stream !== undefined) void pumpStdin(connection.openIncoming(params.stream, null), execution, connection.clientId);
      return follow(connection, execution, params.stream, params.offset, params.yieldMs, execution.request.background);
    });
  } finally {
    if (params.stream !== undefined) connection.closeStream(params.stream);
  }
};

export const killExec: Handler<'exec.kill'> = async (context, connection, params) => {
  const { principal } = connection;
  const session = sessionOf(context, connection, params.sandbox);
  await session.use(async (sandbox) => {
    const by = principal.role === 'operator' ? `operator:${principal.tokenId.slice(0, 8)}` : 'caller';
    sandbox.execs.require(params.execId).kill({ by, ...(params.signal === undefined ? {} : { signal: params.signal }) });
    context.audit.append({ kind: 'exec.kill', tenant: session.tenant, session: session.session, sandboxId: session.id, execId: params.execId, by, signal: params.signal ?? null });
  });
  return {};
};

export const resizeExec: Handler<'exec.resize'> = async (context, connection, params) => {
  await sessionOf(context, connection, params.sandbox).use(async (sandbox) => sandbox.execs.require(params.execId).resize(params.size));
  return {};
};

export const execList: Handler<'exec.list'> = async (context, connection, params) =>
  sessionOf(context, connection, params.sandbox).use(async (sandbox) => ({ execs: sandbox.execs.list().map((execution) => execution.info()) }));

/** Output on the stream while it lasts, then the result; with `yieldMs` whichever is first. */
async function follow(connection: Connection, execution: Execution, streamId: number | undefined, offset: number, yieldMs: number | undefined, isBackground: boolean): Promise<ExecResult> {
  const result = yieldMs === undefined ? execution.result : execution.resultWithin(yieldMs);
  if (streamId === undefined) return result;
  const stopped = new AbortController();
  const output = pipeOutput(connection, execution, streamId, offset, !isBackground, stopped.signal);
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

function start(execs: ExecTable, shell: 'bash' | 'sh', sandboxEnv: Readonly<Record<string, string>>, params: ExecStart): Execution {
  const argv = argvOf(params.command, shell);
  if (argv[0] === '') throw new SandboxError('INVALID_REQUEST', 'Cannot start a command: the first argument is empty');
  const env: Record<string, string> = { ...sandboxEnv, ...(params.pty === undefined ? {} : { TERM: 'xterm-256color' }), ...params.env };
  const bytes = [...argv, ...Object.entries(env).flat()].reduce((sum, text) => sum + Buffer.byteLength(text) + 2, 0);
  if (bytes > MAX_START_BYTES) throw new SandboxError('TOO_LARGE', `Cannot start a command: arguments and environment have ${bytes} bytes, the limit is ${MAX_START_BYTES}`, { hint: 'Pass large input by stdin or as a file.' });
  return execs.start({
    execId: params.execId,
    argv,
    env,
    cwd: params.cwd === undefined ? WORKSPACE_ROOT : `${WORKSPACE_ROOT}/${workspacePath(params.cwd)}`,
    stdin: params.stdin,
    pty: params.pty,
    wallMs: params.timeoutMs,
    idleMs: params.idleTimeoutMs,
    outputBytes: params.outputBytes,
    outputPolicy: params.outputPolicy,
    background: params.background,
    command: params.command,
    labels: params.labels,
  });
}

function argvOf(command: Command, shell: 'bash' | 'sh'): readonly string[] {
  return typeof command === 'string' ? [shell, '-c', command] : command;
}

/** A foreground command ends when its client stays away for longer than it said. */
function abandonWith(connection: Connection, execution: Execution): () => void {
  const work = connection.client?.foreground;
  const abandon = () => {
    execution.kill({ by: 'disconnect' });
    execution.gate.release(connection.clientId);
  };
  work?.add(abandon);
  void execution.result.catch(() => undefined).finally(() => work?.delete(abandon));
  return () => work?.delete(abandon);
}

function auditStart(context: HandlerContext, connection: Connection, session: Session, params: ExecStart): void {
  context.audit.append({
    kind: 'exec.start', tenant: session.tenant, session: session.session, sandboxId: session.id, execId: params.execId, tokenId: connection.principal.tokenId,
    command: params.command, cwd: params.cwd ?? '', envNames: Object.keys(params.env ?? {}), background: params.background,
    profile: session.policy.profileName, policySha256: session.policy.sha256, labels: { ...session.labels, ...params.labels },
  });
}

function auditEnd(context: HandlerContext, session: Session, execution: Execution): void {
  context.audit.append({ kind: 'exec.end', tenant: session.tenant, session: session.session, sandboxId: session.id, execId: execution.id, outcome: execution.outcome ?? 'refused', labels: session.labels });
}
