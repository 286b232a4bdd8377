// The daemon's file verbs on a file worker of its own, without a sandbox, an init or an engine between them.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { SandboxFiles } from '../../daemon/files/sandbox-files.ts';
import { UP_BOUNDS } from '../../daemon/link/frames.ts';
import { FramedSocket } from '../../daemon/link/framed-socket.ts';
import { LinkStreams } from '../../daemon/link/streams.ts';

export interface WorkerFilesOptions {
  readonly program: string;
  readonly root: string;
  readonly uid?: number;
}

export class WorkerFiles implements AsyncDisposable {
  readonly files: SandboxFiles;
  readonly process: ChildProcess;
  /** What the worker did against the protocol. */
  readonly violations: string[] = [];
  readonly #socket: FramedSocket;

  constructor({ program, root, uid = 200_001 }: WorkerFilesOptions) {
    this.process = spawn(program, [root, String(uid)], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
      env: { ASAN_OPTIONS: 'detect_leaks=0' },
    });
    const streams = new LinkStreams({
      send: (frame) => this.#socket.send(frame),
      sendData: (type, flags, id, payload) => this.#socket.sendData(type, flags, id, payload),
    });
    this.#socket = new FramedSocket(
      this.process.stdio[3] as Socket,
      {
        frame: (type, _flags, id, body) => void streams.frame(type, id, body),
        data: (type, flags, id, _offset, bytes, isLast) => streams.data(type, flags, id, bytes, isLast),
        ended: (violation) => {
          if (violation !== null) this.violations.push(violation.message);
          streams.lost('the worker ended');
        },
      },
      UP_BOUNDS,
    );
    this.files = new SandboxFiles({
      file: (request, signal) => streams.file(request, signal),
      distrust: (reason) => void this.violations.push(reason),
    });
  }

  /** Ends the socket and returns the worker's exit code. */
  async end(): Promise<number | null> {
    if (this.process.exitCode !== null) return this.process.exitCode;
    const exit = once(this.process, 'exit');
    this.#socket.destroy();
    const [code] = (await exit) as [number | null];
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** All that a search finds, and what it came to. */
export async function collect<T, S>(search: AsyncGenerator<T[], S, undefined>): Promise<{ readonly found: T[]; readonly summary: S }> {
  const found: T[] = [];
  for (let next = await search.next(); ; next = await search.next()) {
    if (next.done === true) return { found, summary: next.value };
    found.push(...next.value);
  }
}
