// Runs one short host command (mount, btrfs, cp ...) with a time-out, a fixed environment and bounded output.
// Owns nothing else: it must not know what the commands are for.

import { spawn } from 'node:child_process';
import { SandboxError } from '../../client/protocol/errors.ts';

export const COMMAND_ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
const MAX_OUTPUT_BYTES = 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 30_000;

export interface CommandOptions {
  readonly timeoutMs?: number;
  readonly cwd?: string;
  /** Runs as this user and group without supplementary groups; the daemon's own otherwise. */
  readonly uid?: number;
  readonly gid?: number;
  /** Becomes descriptor 3 of the command. */
  readonly descriptor?: number;
}

export interface CommandOutput {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that ran and did not exit 0; `stderr` is what it said. */
export class CommandError extends SandboxError {
  readonly stderr: string;

  constructor(message: string, stderr: string, options: { cause?: unknown } = {}) {
    super('INTERNAL', message, { hint: "The message is the command's own; an operator should look at the host.", cause: options.cause });
    this.name = 'CommandError';
    this.stderr = stderr;
  }
}

/** Runs a command and returns its standard output; throws CommandError for a non-zero exit, a signal or the time-out. */
export async function runCommand(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const output = await tryCommand(file, args, options);
  if (output.exitCode === 0) return output.stdout;
  const said = output.stderr.trim().slice(0, 2_000);
  const cause =
    said ||
    (output.exitCode === null
      ? `ended by a signal or after ${options.timeoutMs ?? DEFAULT_TIMEOUT_MS} ms`
      : `exit code ${output.exitCode}`);
  throw new CommandError(`Cannot run ${file} ${args.slice(0, 2).join(' ')}: ${cause}`, output.stderr);
}

/** Like runCommand, but a non-zero exit is a result. Throws only if the command cannot be started. */
export async function tryCommand(file: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandOutput> {
  return await new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: COMMAND_ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe', ...(options.descriptor === undefined ? [] : [options.descriptor])],
      timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    child.once('error', (cause) => {
      reject(new CommandError(`Cannot run ${file}: ${cause.message}`, '', { cause }));
    });
    child.once('close', (exitCode) => {
      resolve({ exitCode, stdout: stdout(), stderr: stderr() });
    });
  });
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (bytes < MAX_OUTPUT_BYTES) chunks.push(chunk);
    bytes += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
