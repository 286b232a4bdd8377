// The two interfaces that agent runtimes take for their shell and their files, over a sandbox. Copy it and cut it to shape.

import type { ExecOptions, ExecResult, FileEntry, Sandbox } from '../client/index.ts';

export interface RunRequest {
  readonly command: string;
  /** Relative to the workspace, or absolute below /workspace. */
  readonly cwd?: string;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly env?: Record<string, string>;
  readonly onChunk?: (text: string, stream: 'stdout' | 'stderr') => void | Promise<void>;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  /** As a shell says it: the exit code, 128 + n of a signal, 124 timed out, 126 denied, 125 lost. */
  readonly returncode: number;
  /** At most 40,000 characters each, head and tail; onChunk sees all of it. */
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};
const RETURN_CODES: Partial<Record<ExecResult['outcome'], number>> = {
  timedOut: 124,
  idleTimedOut: 124,
  denied: 126,
  killed: 130,
  oomKilled: 137,
};

function toRunResult(result: ExecResult): RunResult {
  const { outcome, exitCode, signal, stdout, stderr, reason, remedy } = result;
  const bySignal = signal === null ? 125 : 128 + (SIGNALS[signal] ?? 0);
  // A denial is for the model to read: the rule's reason, and what to do instead.
  const denial = outcome === 'denied' ? [reason, remedy].filter((part) => part !== undefined).join('\n') : '';
  return {
    returncode: exitCode ?? RETURN_CODES[outcome] ?? bySignal,
    stdout,
    stderr: stderr + denial,
    timedOut: outcome === 'timedOut' || outcome === 'idleTimedOut',
  };
}

export function agentShell(sandbox: Sandbox) {
  return {
    run: async ({ command, timeout, onChunk, ...options }: RunRequest): Promise<RunResult> => {
      const callbacks: ExecOptions =
        onChunk === undefined ? {} : { onStdout: (text) => onChunk(text, 'stdout'), onStderr: (text) => onChunk(text, 'stderr') };
      return toRunResult(await sandbox.exec(command, { ...options, ...callbacks, timeoutMs: timeout }));
    },

    /** Goes on while the agent does other things, and when this process ends; `read` tells what it has written from `offset` on. */
    runBackground: async ({ command, timeout, ...options }: Omit<RunRequest, 'onChunk' | 'signal'>) => {
      const { id } = await sandbox.exec(command, { ...options, timeoutMs: timeout, background: true, yieldMs: 0 });
      return {
        id,
        read: async (offset = 0): Promise<{ text: string; nextOffset: number; isRunning: boolean }> => {
          const part = sandbox.attach(id, { offset, yieldMs: 50 });
          let text = '';
          for await (const chunk of part) text += chunk.text;
          const { outcome, nextOffset } = await part;
          return { text, nextOffset, isRunning: outcome === 'running' };
        },
        kill: (): Promise<void> => sandbox.attach(id).kill(),
        wait: async (): Promise<RunResult> => toRunResult(await sandbox.attach(id)),
      };
    },

    files: {
      readBytes: (path: string): Promise<Uint8Array> => sandbox.files.read(path),
      writeText: async (path: string, text: string): Promise<void> => void (await sandbox.files.write(path, text)),
      listDir: async (path: string): Promise<FileEntry[]> => (await sandbox.files.list(path)).entries,
      glob: async (pattern: string): Promise<readonly string[]> => (await sandbox.files.glob(pattern)).paths,
      /** null: nothing is there. */
      stat: async (path: string) => ((await sandbox.files.exists(path)) ? await sandbox.files.stat(path) : null),
    },
  };
}
