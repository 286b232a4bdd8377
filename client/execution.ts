// One command as its caller holds it: awaitable for the result, iterable for the output, and a handle to act on it.
// Knows nothing of sockets; a lost one shows only as a pause.

import type { Connection } from './connection.ts';
import { Deferred } from './deferred.ts';
import { ClientError, SandboxError } from './errors.ts';
import { ExecCall, type ExecRequest } from './exec-call.ts';
import { toBytes, type Data, type ReadOptions, type Stdin } from './exec-options.ts';
import type { OutboundStream } from './outbound-stream.ts';
import type { OutputChunk } from './output-chunk.ts';
import type { ExecResult, PtySize, Signal } from './protocol/index.ts';
import { readOutput } from './read-output.ts';

/** What an execution needs of its sandbox. */
export interface ExecutionHost {
  readonly connection: Connection;
  readonly id: string;
  /** Why nothing can run there any more. */
  readonly failure: Error | undefined;
  /** Ids of commands that must not outlive this client. */
  readonly foreground: Set<string>;
  readonly attach: (id: string) => Execution;
}

/**
 * A running command. Awaiting it gives the ExecResult, whatever the exit code; it rejects only when Cloister could not
 * run the command (SandboxError) or can't tell how it ended (ClientError). Iterating it gives the output as it comes, as
 * fast as the loop takes it. Leaving the loop early, or aborting the signal, kills the command unless it is a background
 * one. A second loop, and the first over a background command, reads again from the beginning of what is kept.
 * @example
 *   const { outcome, exitCode, stdout } = await sandbox.exec('npm test', { timeoutMs: 60_000 });
 *   for await (const chunk of sandbox.exec(['python3', '-u', 'x.py'])) log.write(chunk.bytes);
 */
export class Execution implements PromiseLike<ExecResult>, AsyncIterable<OutputChunk> {
  /** For attach(), from here or from another process. */
  readonly id: string;
  readonly #host: ExecutionHost;
  readonly #request: ExecRequest;
  readonly #options: ReadOptions;
  readonly #stdin: Stdin | undefined;
  readonly #hasCallbacks: boolean;
  readonly #answer = new Deferred<ExecResult>();
  /** With callbacks it waits for the last of them. */
  readonly #result: Deferred<ExecResult>;
  readonly #abort = (): void => void this.kill().catch(() => undefined);
  #call: ExecCall | undefined;
  #isStarted = false;
  #isAwaited = false;
  #isRead = false;
  #isWritten = false;
  #hasAnswer = false;
  #hasEnded = false;

  /** Made by Sandbox.exec and Sandbox.attach. */
  constructor(host: ExecutionHost, request: ExecRequest, options: ReadOptions, stdin?: Stdin) {
    this.#host = host;
    this.#request = request;
    this.#options = options;
    this.#stdin = stdin;
    this.id = request.params.execId;
    this.#hasCallbacks = options.onStdout !== undefined || options.onStderr !== undefined;
    this.#result = this.#hasCallbacks ? new Deferred() : this.#answer;
    // The second turn comes after an `await` of this handle has shown itself: such a command needs no output stream.
    queueMicrotask(() => queueMicrotask(() => this.#start()));
  }

  /** Settles as awaiting the execution does; with callbacks, after the last of them. */
  get result(): Promise<ExecResult> {
    this.#isAwaited = true;
    this.#skipUnread();
    return this.#result.promise;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- being awaitable is what an Execution is for
  then<A = ExecResult, B = never>(
    onResult?: ((result: ExecResult) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result.then(onResult, onError);
  }

  [Symbol.asyncIterator](): AsyncGenerator<OutputChunk, ExecResult, undefined> {
    const isFirst = !this.#isRead && !this.#hasCallbacks && (!this.#isStarted || this.#call?.isReadable === true);
    if (!isFirst && this.#isStarted) return this.#host.attach(this.id)[Symbol.asyncIterator]();
    this.#isRead = true;
    return this.#read();
  }

  /**
   * Ends the command's whole tree (SIGTERM, a grace period, SIGKILL), or sends one signal to it. Of a command that has
   * ended: nothing. After a lost connection a signal may be delivered twice.
   */
  async kill(signal?: Signal): Promise<void> {
    this.#start();
    if (this.#hasEnded) return;
    try {
      await this.#host.connection.call('exec.kill', { sandbox: this.#host.id, execId: this.id, signal });
    } catch (error) {
      // Ended in the meantime; its own answer says how.
      if (!SandboxError.is(error, 'EXEC_UNKNOWN')) throw error;
    }
  }

  /**
   * Writes to stdin; resolves when the bytes are on their way. Needs `stdin: true`, a pty, or to be called at once on a
   * fresh handle. After the end of the command it does nothing.
   */
  async write(data: Data): Promise<void> {
    await this.#openStdin().write(toBytes(data));
  }

  /** Ends stdin: the command reads end-of-file after what was written. */
  closeStdin(): void {
    this.#openStdin().end();
  }

  /** Changes the size of the command's terminal. */
  async resize(size: PtySize): Promise<void> {
    this.#start();
    if (!this.#hasEnded) await this.#host.connection.call('exec.resize', { sandbox: this.#host.id, execId: this.id, size });
  }

  /** Started here and not to outlive this handle. */
  get #isOwn(): boolean {
    return this.#request.op === 'exec.start' && this.#request.params.background !== true;
  }

  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { connection, failure, foreground } = this.#host;
    const { signal } = this.#options;
    if (failure !== undefined) this.#onFail(failure);
    else if (signal?.aborted === true) this.#onAnswer(neverStarted(this.id));
    if (this.#hasAnswer) return;
    signal?.addEventListener('abort', this.#abort, { once: true });
    const request = this.#requestWithStdin();
    this.#call = new ExecCall({
      connection,
      request,
      wantsOutput: this.#isRead || this.#hasCallbacks || (this.#isOwn && !this.#isAwaited),
      hasStdin: request.op === 'exec.start' && request.params.stdin === 'pipe',
      onOutput: () => this.#skipUnread(),
      onAnswer: (result) => this.#onAnswer(result),
      onFail: (error) => this.#onFail(error),
    });
    if (this.#isOwn) foreground.add(this.id);
    connection.submit(this.#call);
    if (this.#stdin !== undefined && this.#stdin !== true) void this.#feed(this.#stdin);
    if (this.#hasCallbacks && !this.#isRead) void this.#drain();
  }

  #requestWithStdin(): ExecRequest {
    const request = this.#request;
    if (request.op === 'exec.attach') return request;
    const hasStdin = this.#stdin !== undefined || this.#isWritten || request.params.pty !== undefined;
    return hasStdin ? { op: request.op, params: { ...request.params, stdin: 'pipe' } } : request;
  }

  async *#read(): AsyncGenerator<OutputChunk, ExecResult, undefined> {
    this.#start();
    const output = this.#call?.output;
    // Never started: there is an answer and no output.
    if (output === undefined) return await this.#answer.promise;
    try {
      const result = yield* readOutput(output, this.#answer.promise, this.#options, () => this.#leave());
      this.#result.resolve(result);
      return result;
    } catch (error) {
      this.#result.reject(error);
      throw error;
    } finally {
      // A reader that left early: what is known of the command is its own answer.
      this.#answer.promise.then(this.#result.resolve, this.#result.reject);
    }
  }

  /** Calls the callbacks when nobody iterates; the error, if any, is the result's. */
  async #drain(): Promise<void> {
    this.#isRead = true;
    try {
      for await (const _ of this.#read());
    } catch {
      // The result tells.
    }
  }

  async #feed(data: Exclude<Stdin, true>): Promise<void> {
    const stdin = this.#call?.stdin;
    if (stdin === undefined) return;
    try {
      if (typeof data === 'string' || data instanceof Uint8Array) void stdin.write(toBytes(data));
      else {
        for await (const part of data) {
          if (!stdin.isWritable) break;
          await stdin.write(toBytes(part));
        }
      }
      stdin.end();
    } catch (cause) {
      this.#result.reject(new ClientError('SOURCE_FAILED', `Cannot feed stdin of ${this.id}: its source threw`, { cause }));
      await this.kill().catch(() => undefined);
    }
  }

  #openStdin(): OutboundStream {
    this.#isWritten = true;
    this.#start();
    const stdin = this.#call?.stdin;
    if (stdin === undefined || (!stdin.isWritable && !this.#hasAnswer)) {
      throw new ClientError('STDIN_CLOSED', `Cannot write to stdin of ${this.id}: it is ${stdin === undefined ? 'not a pipe' : 'closed'}`);
    }
    return stdin;
  }

  /** The reader stops before the end: nothing of a foreground command goes on. */
  async #leave(): Promise<void> {
    this.#call?.stopOutput();
    if (!this.#isOwn || this.#hasAnswer) return;
    await this.kill().catch(() => undefined);
    await this.#answer.promise.catch(() => undefined);
  }

  /** Output that nobody reads must not hold up a command whose result is awaited, nor stay after its end. */
  #skipUnread(): void {
    const call = this.#call;
    if (call?.output === undefined || this.#isRead || this.#hasCallbacks) return;
    const isInTheWay = this.#hasAnswer ? !call.output.isComplete : this.#isAwaited && call.output.isStalled;
    if (isInTheWay) call.stopOutput();
  }

  #onAnswer(result: ExecResult): void {
    this.#hasAnswer = true;
    this.#hasEnded = result.outcome !== 'running';
    if (this.#hasEnded) this.#host.foreground.delete(this.id);
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#skipUnread();
    this.#answer.resolve(result);
    if (this.#call === undefined) this.#result.resolve(result);
  }

  #onFail(error: Error): void {
    this.#hasAnswer = true;
    this.#hasEnded = true;
    this.#host.foreground.delete(this.id);
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#answer.reject(error);
    this.#result.reject(error);
  }
}

/** The signal was aborted before anything was sent. */
function neverStarted(id: string): ExecResult {
  return {
    id: id as ExecResult['id'],
    outcome: 'killed',
    exitCode: null,
    signal: null,
    by: 'caller',
    reason: 'aborted before it started',
    stdout: '',
    stderr: '',
    droppedBytes: { stdout: 0, stderr: 0 },
    nextOffset: 0,
    durationMs: 0,
    cpuMs: 0,
    maxRssBytes: 0,
    egress: [],
    notes: [],
  };
}
