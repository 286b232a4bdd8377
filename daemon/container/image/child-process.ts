// Runs one program to its end: bounded output, lines reported as they come, cancellation. Knows nothing of what it runs.
import { spawn } from 'node:child_process';
import { kill } from 'node:process';
import { createInterface } from 'node:readline';

const MAX_KEPT_CHARS = 64 * 1024;

export interface RunOptions {
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which it is killed. */
  readonly timeoutMs: number;
}

/** A program that could not start or did not end with 0. `output` is the tail of what it said. */
export class ProgramError extends Error {
  readonly program: string;
  readonly exitCode: number | null;
  readonly output: string;

  constructor(program: string, exitCode: number | null, cause: string, output: string) {
    super(`${program} ${cause}`);
    this.name = 'ProgramError';
    this.program = program;
    this.exitCode = exitCode;
    this.output = output;
  }
}

/** Answers standard output (its tail, when it is long); throws ProgramError. `env` is added to the inherited environment. */
export async function runProgram(program: string, args: readonly string[], options: RunOptions): Promise<string> {
  options.signal?.throwIfAborted();
  const settings = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
  // What goes into an image is for every uid to read, whatever umask this process has.
  const child = spawn('sh', ['-c', 'umask 022; exec env "$@"', 'sh', ...settings, program, ...args], {
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its own process group, so that what it started ends with it.
    detached: true,
  });
  let kept = '';
  let stdout = '';
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once('error', (error) => reject(new ProgramError(program, null, `cannot start: ${error.message}`, '')));
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const killGroup = (): void => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) kill(-child.pid, 'SIGKILL');
  };
  const timer = setTimeout(killGroup, options.timeoutMs);
  options.signal?.addEventListener('abort', killGroup, { once: true });
  const follow = async (stream: NodeJS.ReadableStream, isStdout: boolean): Promise<void> => {
    for await (const line of createInterface({ input: stream })) {
      kept = `${kept}${line}\n`.slice(-MAX_KEPT_CHARS);
      if (isStdout) stdout = `${stdout}${line}\n`.slice(-MAX_KEPT_CHARS);
      options.onLine?.(line.slice(0, 400));
    }
  };
  try {
    const [end] = await Promise.all([ended, follow(child.stdout, true), follow(child.stderr, false)]);
    options.signal?.throwIfAborted();
    if (end.code !== 0)
      throw new ProgramError(
        program,
        end.code,
        end.signal === null ? `ended with exit code ${end.code}` : `was ended by ${end.signal}`,
        kept,
      );
    return stdout;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', killGroup);
  }
}
