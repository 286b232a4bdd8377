// The tools about commands: bash, bash_output, kill.

import type { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Execution } from '../../client/index.ts';
import { ModelOutput } from '../../client/protocol/model-output.ts';
import { CommandResult, commandResult, commandText, isRefused, type Output } from './command-result.ts';
import { Progress } from './progress.ts';
import { addTool, LOOKS, type ToolAnswer, type ToolHost } from './tool.ts';

const DEFAULT_TIMEOUT_MS = 120_000;
const MAX_TIMEOUT_MS = 24 * 3_600_000;
/** How long a command that goes to the background is waited for: a refusal is known by then. */
const BEGINNING_MS = 50;
/** How long the end of a command that is killed is waited for: it may clean up. */
const ENDING_MS = 5_000;
/** Commands whose last offset is remembered. */
const MAX_REMEMBERED = 256;

const Id = z.string().min(1).max(64).describe('id of a command that bash has answered with');
const Timeout = z.int().min(1).max(MAX_TIMEOUT_MS);
const Wait = z.int().min(1).max(3_600_000);

const BashInput = z.strictObject({
  command: z.string().min(1).describe('shell command line, run by bash (sh where the image has none) in /workspace'),
  cwd: z.string().max(4096).optional().describe('directory, relative to /workspace or absolute below it'),
  env: z.record(z.string(), z.string()).optional().describe('environment variables beside the usual ones'),
  stdin: z.string().optional().describe('standard input; none unless given'),
  timeout_ms: Timeout.optional().describe(`wall time after which it is ended; ${DEFAULT_TIMEOUT_MS} unless given, none in the background`),
  run_in_background: z.boolean().default(false).describe('answer at once with an id, for servers and long builds'),
  yield_ms: Wait.optional().describe('answer after this time even if it still runs, with its id and its output so far'),
});

export function addCommandTools(server: McpServer, host: ToolHost): void {
  const told = new ToldOffsets();
  addTool(server, host, {
    name: 'bash',
    title: 'Run a command',
    description:
      'Runs a shell command in the sandbox and answers with its output and how it ended. Each call is a shell of its own: cd and ' +
      'exported variables do not last, files do. A command that fails is a normal answer with its exit code.',
    input: BashInput,
    output: CommandResult,
    hints: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    run: async ({ command, run_in_background: isBackground, yield_ms: yieldMs, timeout_ms: timeoutMs, ...options }, call) => {
      using progress = new Progress(call.context, host.clock);
      const tell = (text: string): void => progress.output(text);
      const execution = call.sandbox.exec(command, {
        ...options,
        signal: call.signal,
        background: isBackground,
        yieldMs: isBackground ? BEGINNING_MS : yieldMs,
        timeoutMs: timeoutMs ?? (isBackground ? undefined : DEFAULT_TIMEOUT_MS),
        ...(isBackground ? {} : { onStdout: tell, onStderr: tell }),
      });
      call.entry.execId = execution.id;
      const result = await execution;
      if (result.outcome === 'running') told.set(result.id, result.nextOffset);
      return answer(commandResult(result));
    },
  });

  addTool(server, host, {
    name: 'bash_output',
    title: 'Read output of a running command',
    description: 'Answers with what a command has written since it was last told (or from `offset` on), and how it stands.',
    input: z.strictObject({
      id: Id,
      offset: z.int().min(0).optional().describe('byte of its output to begin at; where the last answer ended unless given'),
      wait_ms: Wait.optional().describe('how long to wait for it to end; unless given the answer is what there is now'),
    }),
    output: CommandResult,
    hints: { ...LOOKS, idempotentHint: false },
    run: async ({ id, offset, wait_ms: waitMs }, call) => {
      using progress = new Progress(call.context, host.clock);
      const execution = call.sandbox.attach(id, { offset: offset ?? told.get(id), yieldMs: waitMs ?? BEGINNING_MS });
      call.entry.execId = id;
      const output = await collect(execution, call.signal, (text) => progress.output(text));
      const result = await execution;
      told.set(id, result.nextOffset);
      return answer(commandResult(result, output));
    },
  });

  addTool(server, host, {
    name: 'kill',
    title: 'End a command',
    description: 'Ends a command and everything it started, or sends it one signal. Of a command that has ended: nothing.',
    input: z.strictObject({
      id: Id,
      signal: z
        .enum(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGKILL', 'SIGUSR1', 'SIGUSR2', 'SIGTERM', 'SIGCONT', 'SIGSTOP'])
        .optional()
        .describe('only this signal; unless given the whole tree is ended'),
    }),
    output: z.object({ id: z.string(), outcome: CommandResult.shape.outcome }),
    hints: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    run: async ({ id, signal }, { sandbox }) => {
      // An id that nobody knows is an error of its own.
      let { outcome } = await sandbox.attach(id, { yieldMs: 0 });
      if (outcome === 'running') {
        await sandbox.attach(id).kill(signal);
        ({ outcome } = await sandbox.attach(id, { yieldMs: signal === undefined ? ENDING_MS : 0 }));
      }
      return { text: `${id}: ${outcome}`, structured: { id, outcome } };
    },
  });
}

function answer(result: CommandResult): ToolAnswer<CommandResult> {
  return { text: commandText(result), structured: result, isError: isRefused(result) };
}

async function collect(execution: Execution, signal: AbortSignal, onText: (text: string) => void): Promise<Output> {
  const streams = { stdout: new ModelOutput(), stderr: new ModelOutput() };
  for await (const chunk of execution) {
    if (chunk.droppedBytes > 0) streams.stdout.skip(chunk.droppedBytes);
    streams[chunk.stream].append(Buffer.from(chunk.bytes));
    onText(chunk.text);
    // Looking is given up; the command goes on.
    if (signal.aborted) break;
  }
  const [stdout, stderr] = [streams.stdout.read(), streams.stderr.read()];
  return { stdout: stdout.text, stderr: stderr.text, droppedBytes: { stdout: stdout.droppedBytes, stderr: stderr.droppedBytes } };
}

/** Up to where the client has been told the output of a command; of the newest ones. */
class ToldOffsets {
  readonly #offsets = new Map<string, number>();

  get(id: string): number {
    return this.#offsets.get(id) ?? 0;
  }

  set(id: string, offset: number): void {
    this.#offsets.delete(id);
    this.#offsets.set(id, offset);
    const [oldest] = this.#offsets.keys();
    if (this.#offsets.size > MAX_REMEMBERED && oldest !== undefined) this.#offsets.delete(oldest);
  }
}
