// One command of the test peer: a real process of this host, its output kept whole, its one result.
// Stands in for a sandbox in tests of the client; nothing here isolates anything.

import { spawn, type ChildProcess } from 'node:child_process';
import type { ExecResult, ParsedParams } from '../../client/protocol/index.ts';

type StartParams = ParsedParams<'exec.start'>;

export interface OutputPart {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly isStderr: boolean;
}

/** Output made here instead of by a process: exact parts, for tests that count every byte. */
export type Script = readonly { readonly text: string | Uint8Array; readonly isStderr?: boolean }[];

export class PeerExec {
  readonly params: StartParams;
  readonly parts: OutputPart[] = [];
  readonly stdin: Buffer[] = [];
  /** Bytes of stdin that came, repeats not counted. */
  stdinReceived = 0;
  isStdinEnded = false;
  endOffset = 0;
  result: ExecResult | undefined;
  readonly startedAt = new Date();
  readonly #listeners = new Set<() => void>();
  readonly #begun = performance.now();
  #child: ChildProcess | undefined;
  #outcome: ExecResult['outcome'] | undefined;

  constructor(params: StartParams, cwd: string, script: Script | undefined) {
    this.params = params;
    if (script === undefined) this.#spawn(cwd);
    else {
      for (const { text, isStderr } of script) this.#emit(typeof text === 'string' ? Buffer.from(text) : text, isStderr === true);
      this.#end(0, null);
    }
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  writeStdin(bytes: Uint8Array, isLast: boolean): void {
    this.stdin.push(Buffer.from(bytes));
    this.stdinReceived += bytes.byteLength;
    this.#child?.stdin?.write(bytes);
    if (!isLast) return;
    this.isStdinEnded = true;
    this.#child?.stdin?.end();
  }

  kill(outcome: 'killed' | 'timedOut' | 'idleTimedOut', signal: NodeJS.Signals = 'SIGKILL'): void {
    if (this.result !== undefined || this.#child?.pid === undefined) return;
    this.#outcome ??= outcome;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // Gone already.
    }
  }

  /** The result as of now, with `running` when the command goes on. */
  snapshot(): ExecResult {
    return this.result ?? this.#resultOf('running', null, null);
  }

  #spawn(cwd: string): void {
    const { command, env, pty, stdin, timeoutMs, idleTimeoutMs } = this.params;
    const argv = typeof command === 'string' ? ['bash', '-c', command] : command;
    const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    const [file, ...rest] =
      pty === undefined ? argv : ['script', '-qec', `stty cols ${pty.columns} rows ${pty.rows}; ${quoted}`, '/dev/null'];
    const child = spawn(file ?? '', rest, {
      cwd,
      env: { PATH: process.env['PATH'], HOME: cwd, ...env },
      detached: true,
      stdio: [stdin === 'pipe' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.on('error', () => this.#end(127, null));
    child.stdin?.on('error', () => undefined);
    let idle: NodeJS.Timeout | undefined;
    const restartIdle = () => {
      clearTimeout(idle);
      if (idleTimeoutMs !== undefined) idle = setTimeout(() => this.kill('idleTimedOut'), idleTimeoutMs);
    };
    restartIdle();
    const wall = timeoutMs === undefined ? undefined : setTimeout(() => this.kill('timedOut'), timeoutMs);
    for (const [stream, isStderr] of [
      [child.stdout, false],
      [child.stderr, true],
    ] as const) {
      stream?.on('data', (bytes: Buffer) => {
        restartIdle();
        this.#emit(bytes, isStderr);
      });
    }
    child.on('close', (code, signal) => {
      clearTimeout(wall);
      clearTimeout(idle);
      this.#end(code, signal);
    });
  }

  #emit(bytes: Uint8Array, isStderr: boolean): void {
    this.parts.push({ offset: this.endOffset, bytes, isStderr });
    this.endOffset += bytes.byteLength;
    this.#notify();
  }

  #end(code: number | null, signal: string | null): void {
    if (this.result !== undefined) return;
    const outcome = this.#outcome ?? (signal === null ? 'exited' : 'signalled');
    this.result = this.#resultOf(outcome, outcome === 'exited' ? code : null, outcome === 'signalled' ? signal : null);
    this.#notify();
  }

  #resultOf(outcome: ExecResult['outcome'], exitCode: number | null, signal: string | null): ExecResult {
    const textOf = (isStderr: boolean) =>
      Buffer.concat(this.parts.filter((part) => part.isStderr === isStderr).map((part) => part.bytes))
        .toString()
        .slice(0, 40_000);
    return {
      id: this.params.execId,
      outcome,
      exitCode,
      signal,
      ...(outcome === 'killed' ? { by: 'caller' } : {}),
      stdout: textOf(false),
      stderr: textOf(true),
      droppedBytes: { stdout: 0, stderr: 0 },
      nextOffset: this.endOffset,
      durationMs: performance.now() - this.#begun,
      cpuMs: 0,
      maxRssBytes: 0,
      egress: [],
      notes: [],
    };
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
