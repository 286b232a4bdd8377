// Commands without processes: they run until the test ends them.

import type { ExecResult } from '../../client/protocol/exec.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { ExecEvent, PiecesEvent } from '../../daemon/exec/attachment.ts';
import type { ExecRequest } from '../../daemon/exec/exec-request.ts';
import { Notifier } from '../../daemon/exec/notifier.ts';

export class FakeExecution {
  readonly id: string;
  readonly request: { background: boolean; hasStdin: boolean };
  readonly asked: ExecRequest;
  state: 'running' | 'ended' = 'running';
  outcome: string | null = null;
  readonly killed: string[] = [];
  /** Readers that hold the command back, and how far each has come. */
  readonly held = new Map<string, number>();
  readonly written: Buffer[] = [];
  isStdinClosed = false;
  readonly result: Promise<ExecResult>;
  readonly gate = {
    reached: (reader: string, offset: number) => void this.held.set(reader, offset),
    release: (reader: string) => void this.held.delete(reader),
  };
  readonly stdin: { writer: string | null; take: (writer: string) => { offset: Promise<number>; signal: AbortSignal } };
  readonly #events: ExecEvent[] = [];
  readonly #changed = new Notifier();
  #settle: (result: ExecResult) => void = () => undefined;
  #turn = new AbortController();

  constructor(asked: ExecRequest) {
    this.asked = asked;
    this.id = asked.execId;
    this.request = { background: asked.background, hasStdin: asked.stdin === 'pipe' };
    this.result = new Promise((resolve) => (this.#settle = resolve));
    this.stdin = {
      writer: null,
      take: (writer) => {
        this.#turn.abort();
        this.#turn = new AbortController();
        this.stdin.writer = writer;
        return { offset: Promise.resolve(this.written.reduce((sum, bytes) => sum + bytes.byteLength, 0)), signal: this.#turn.signal };
      },
    };
  }

  async resultWithin(): Promise<ExecResult> {
    return this.state === 'ended' ? await this.result : ({ id: this.id, outcome: 'running' } as ExecResult);
  }

  async *attach(offset: number, signal?: AbortSignal): AsyncGenerator<ExecEvent> {
    signal?.addEventListener('abort', () => this.#changed.notify());
    for (let at = 0; ; ) {
      signal?.throwIfAborted();
      const event = this.#events[at];
      if (event === undefined) {
        if (this.state === 'ended') {
          yield { kind: 'end', result: await this.result };
          return;
        }
        await this.#changed.wait();
        continue;
      }
      at += 1;
      if (event.kind !== 'output' || event.offset >= offset) yield event;
    }
  }

  async *attachPieces(offset: number, signal: AbortSignal): AsyncGenerator<PiecesEvent> {
    for await (const event of this.attach(offset, signal)) {
      if (event.kind !== 'output') yield event;
      else yield { kind: 'pieces', pieces: [{ stream: event.stream, offset: event.offset, bytes: Buffer.from(event.bytes) }] };
    }
  }

  emit(event: ExecEvent): void {
    this.#events.push(event);
    this.#changed.notify();
  }

  async write(bytes: Uint8Array): Promise<boolean> {
    this.written.push(Buffer.from(bytes));
    return this.state === 'running';
  }

  closeStdin(): void {
    this.isStdinClosed = true;
  }

  kill({ by }: { by: string }): void {
    if (this.state === 'ended') return;
    this.killed.push(by);
    this.end('killed');
  }

  end(outcome = 'exited'): void {
    this.state = 'ended';
    this.outcome = outcome;
    this.#settle({ id: this.id, outcome } as ExecResult);
    this.#changed.notify();
  }

  resize(): void {
    // There is no terminal.
  }

  info(): { id: string } {
    return { id: this.id };
  }
}

export class FakeExecs {
  readonly all = new Map<string, FakeExecution>();
  /** What the next start fails with. */
  failure: SandboxError | null = null;

  get runningCount(): number {
    return this.list().filter(({ state }) => state === 'running').length;
  }

  start(request: ExecRequest): FakeExecution {
    if (this.failure !== null) throw this.failure;
    const execution = this.all.get(request.execId) ?? new FakeExecution(request);
    this.all.set(request.execId, execution);
    return execution;
  }

  get(id: string): FakeExecution | undefined {
    return this.all.get(id);
  }

  require(id: string): FakeExecution {
    const execution = this.all.get(id);
    if (execution === undefined) throw new SandboxError('EXEC_UNKNOWN', `Cannot find command ${id}: it was never started here`);
    return execution;
  }

  list(): FakeExecution[] {
    return [...this.all.values()];
  }
}
