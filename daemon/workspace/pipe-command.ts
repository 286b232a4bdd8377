// Runs one host command whose input and output are streams of their own: bytes go in from an iterable and come out to a
// callback. Owns process, time-out and failure; must not know what the bytes mean.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CommandError, COMMAND_ENVIRONMENT } from './run-command.ts';

const MAX_STDERR_BYTES = 64 * 1024;

export interface PipeOptions {
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly input?: Iterable<Uint8Array> | undefined;
  /** Exit codes beside 0 that are no failure. */
  readonly alsoFine?: readonly number[] | undefined;
  /** A throw ends the command and is what the caller gets. */
  readonly onData: (bytes: Buffer) => void;
}

export async function pipeCommand(file: string, args: readonly string[], options: PipeOptions): Promise<void> {
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: COMMAND_ENVIRONMENT,
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
  closed.catch(() => undefined);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (said.length < MAX_STDERR_BYTES) said += chunk.toString('utf8');
  });
  // A command that ends early closes its input; its exit code says the rest.
  child.stdin.on('error', () => undefined);
  const failures: Error[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    if (failures.length > 0) return;
    try {
      options.onData(chunk);
    } catch (error) {
      failures.push(error instanceof Error ? error : new Error(String(error)));
      child.kill('SIGKILL');
    }
  });
  const fed = feed(child.stdin, options.input ?? []);
  const [exitCode] = await closed.catch((cause: Error) => {
    throw new CommandError(`Cannot run ${file}: ${cause.message}`, '', { cause });
  });
  await fed;
  const [failure] = failures;
  if (failure !== undefined) throw failure;
  if (exitCode === 0 || (exitCode !== null && options.alsoFine?.includes(exitCode) === true)) return;
  const cause =
    said.trim().slice(0, 2_000) || (exitCode === null ? `ended by a signal or after ${options.timeoutMs} ms` : `exit code ${exitCode}`);
  throw new CommandError(`Cannot run ${file}: ${cause}`, said);
}

async function feed(stdin: NodeJS.WritableStream, input: Iterable<Uint8Array>): Promise<void> {
  const over = new Promise<'over'>((resolve) => stdin.once('close', () => resolve('over')));
  for (const bytes of input) {
    if (stdin.write(bytes)) continue;
    const room = new Promise<'room'>((resolve) => stdin.once('drain', () => resolve('room')));
    if ((await Promise.race([room, over])) === 'over') return;
  }
  stdin.end();
}
