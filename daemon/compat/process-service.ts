// process.Process of envd: commands and terminals. Pids here are handles that this endpoint gives out, and part of the id of the
// command; they are no pids of the kernel.

import { randomInt } from 'node:crypto';
import { z } from 'zod';
import { type ExecInfo, type Execution, type OutputChunk, type ExecResult, SandboxError } from '../../client/index.ts';
import { E2bFailure, Unsupported } from './failure.ts';
import type { LiveSandbox } from './live-sandboxes.ts';
import { dataEvent, endEvent, keepaliveEvent, startEvent } from './process-events.ts';
import type { StreamCall, StreamHandler, UnaryHandler } from './rpc.ts';
import { workspaceNameOf } from './sandbox-path.ts';

const EXEC_ID = /^e2b-(pty|cmd)-(\d{1,10})$/;
const FIRST_PID = 1000;
const LAST_PID = 2 ** 31 - 1;
const MAX_TEXT = 256 * 1024;

const Start = z.object({
  process: z.object({
    cmd: z.string().min(1).max(4096),
    args: z.array(z.string().max(MAX_TEXT)).max(4096).default([]),
    envs: z.record(z.string(), z.string()).default({}),
    cwd: z.string().max(4096).optional(),
  }),
  pty: z.object({ size: z.object({ cols: z.int(), rows: z.int() }) }).optional(),
  stdin: z.boolean().default(false),
});
type Start = z.infer<typeof Start>;

const Selected = z.object({ process: z.object({ pid: z.int() }) });
const Input = Selected.extend({ input: z.union([z.object({ stdin: z.base64() }), z.object({ pty: z.base64() })]) });
const Update = Selected.extend({ pty: z.object({ size: z.object({ cols: z.int(), rows: z.int() }) }).optional() });
const SendSignal = Selected.extend({ signal: z.enum(['SIGNAL_SIGKILL', 'SIGNAL_SIGTERM']) });

export const PROCESS_STREAMS: Readonly<Record<string, StreamHandler>> = {
  Start: { schema: Start, keepalive: keepaliveEvent, run: (live, message, call) => start(live, Start.parse(message), call) },
  Connect: { schema: Selected, keepalive: keepaliveEvent, run: (live, message) => connect(live, Selected.parse(message).process.pid) },
};

export const PROCESS_CALLS: Readonly<Record<string, UnaryHandler>> = {
  List: async ({ sandbox }) => ({
    processes: (await sandbox.execs()).flatMap((info) => {
      const pid = pidOf(info);
      return pid === null || info.state === 'ended' ? [] : [{ pid, config: configOf(info) }];
    }),
  }),
  SendInput: async (live, message) => {
    const { process, input } = Input.parse(message);
    const bytes = Buffer.from('stdin' in input ? input.stdin : input.pty, 'base64');
    return await withInput(live, process.pid, (execution) => execution.write(bytes));
  },
  CloseStdin: async (live, message) => {
    return await withInput(live, Selected.parse(message).process.pid, (execution) => execution.closeStdin());
  },
  SendSignal: async (live, message) => {
    const { process, signal } = SendSignal.parse(message);
    const { id } = await runningOf(live, process.pid);
    // E2B's kill means the command; here it takes what the command has started as well.
    await handleOf(live, process.pid, id).kill(signal === 'SIGNAL_SIGTERM' ? 'SIGTERM' : undefined);
    return {};
  },
  Update: async (live, message) => {
    const { process, pty } = Update.parse(message);
    const { id } = await runningOf(live, process.pid);
    if (pty !== undefined) await handleOf(live, process.pid, id).resize({ columns: pty.size.cols, rows: pty.size.rows });
    return {};
  },
  StreamInput: () => Promise.reject(new Unsupported('StreamInput', 'Send input with SendInput.')),
};

async function* start(live: LiveSandbox, asked: Start, { timeoutMs }: StreamCall): AsyncGenerator<unknown, void, undefined> {
  const { process, pty, stdin } = asked;
  const pid = randomInt(FIRST_PID, LAST_PID);
  const id = `e2b-${pty === undefined ? 'cmd' : 'pty'}-${pid}`;
  const execution = live.sandbox.exec(commandOf(process), {
    id,
    // Whoever started it may go and come back: only its timeout, a signal or the end of the sandbox ends it.
    background: true,
    env: process.envs,
    ...(process.cwd === undefined || process.cwd === '' ? {} : { cwd: workspaceNameOf(process.cwd) }),
    ...(pty === undefined ? {} : { pty: { columns: pty.size.cols, rows: pty.size.rows } }),
    ...(stdin || pty !== undefined ? { stdin: true as const } : {}),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  const chunks = execution[Symbol.asyncIterator]();
  const first = chunks.next();
  live.running.set(pid, execution);
  const forget = (): void => void live.running.delete(pid);
  void execution.result.then(forget, forget);
  first.catch(() => undefined);
  // A silent command has no first output; asked for in the order of the requests, this says whether it runs.
  const begun = await live.sandbox.attach(id, { yieldMs: 0 }).result.catch(() => null);
  if (begun === null || begun.outcome === 'denied') {
    const refused = await first;
    if (refused.done === true) endEvent(refused.value);
  }
  yield* follow(pid, pty !== undefined, chunks, first);
}

async function* connect(live: LiveSandbox, pid: number): AsyncGenerator<unknown, void, undefined> {
  const info = await runningOf(live, pid);
  // From here on, as E2B has it.
  const watched = await live.watched();
  const { nextOffset } = await watched.attach(info.id, { yieldMs: 0 });
  const chunks = watched.attach(info.id, { offset: nextOffset })[Symbol.asyncIterator]();
  yield* follow(pid, isPty(info), chunks, chunks.next());
}

async function* follow(
  pid: number,
  isTerminal: boolean,
  chunks: AsyncGenerator<OutputChunk, ExecResult, undefined>,
  first: Promise<IteratorResult<OutputChunk, ExecResult>>,
): AsyncGenerator<unknown, void, undefined> {
  try {
    first.catch(() => undefined);
    yield startEvent(pid);
    let next = await first;
    for (; next.done !== true; next = await chunks.next())
      if (next.value.bytes.byteLength > 0 || next.value.droppedBytes > 0) yield dataEvent(next.value, isTerminal);
    yield endEvent(next.value);
  } finally {
    void chunks.return(undefined as never).catch(() => undefined);
  }
}

/** What E2B's clients wrap every command in is what a text is run by here; so rules see the command, and images need no bash. */
function commandOf({ cmd, args }: Start['process']): string | string[] {
  const [login, flag, text, ...more] = args;
  const isWrapped = cmd === '/bin/bash' && login === '-l' && flag === '-c' && text !== undefined && more.length === 0;
  return isWrapped ? text : [cmd, ...args];
}

function configOf({ command }: ExecInfo): unknown {
  const [cmd = '', ...args] = typeof command === 'string' ? ['/bin/bash', '-l', '-c', command] : command;
  return { cmd, args, envs: {} };
}

function pidOf({ id }: Pick<ExecInfo, 'id'>): number | null {
  const pid = EXEC_ID.exec(id)?.[2];
  return pid === undefined ? null : Number(pid);
}

const isPty = ({ id }: Pick<ExecInfo, 'id'>): boolean => EXEC_ID.exec(id)?.[1] === 'pty';

async function runningOf({ sandbox }: LiveSandbox, pid: number): Promise<ExecInfo> {
  const info = (await sandbox.execs()).find((one) => pidOf(one) === pid && one.state === 'running');
  if (info === undefined) throw new SandboxError('EXEC_UNKNOWN', `Cannot find process ${pid}: none of this number runs`);
  return info;
}

const handleOf = ({ sandbox, running }: LiveSandbox, pid: number, id: string): Execution => running.get(pid) ?? sandbox.attach(id);

/** Not in a promise: an Execution is one itself. */
async function withInput(live: LiveSandbox, pid: number, act: (execution: Execution) => Promise<void> | void): Promise<unknown> {
  const handle = live.running.get(pid);
  if (handle === undefined) {
    await runningOf(live, pid);
    throw new E2bFailure(400, 'failed_precondition', `Cannot write to process ${pid}: it was started before this daemon`);
  }
  await act(handle);
  return {};
}
