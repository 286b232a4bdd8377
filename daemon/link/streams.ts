// File requests and dials of one link by id, at most as many at once as init serves.
// Owns ids, slots and who waits for one; knows nothing of what the bytes are.

import { SandboxError } from '../../client/protocol/errors.ts';
import { decodeFileEnd } from './decode.ts';
import { DialStream } from './dial-stream.ts';
import { encodeDial, encodeFileRequest } from './encode.ts';
import type { FrameSender } from './frame-sender.ts';
import { FileExchange } from './file-exchange.ts';
import { FLAG, LinkViolation, MAX_DIALS, MAX_FILE_REQUESTS, UP, readU64 } from './frames.ts';
import type { FileRequest } from './messages.ts';
import { Slots } from './slots.ts';

const MAX_WAITING = 1024;
const MAX_ABANDONED = 256;

interface Dialing {
  readonly resolve: (stream: DialStream) => void;
  readonly reject: (error: SandboxError) => void;
  readonly stream: DialStream;
  readonly port: number;
}

export class LinkStreams {
  readonly #sender: FrameSender;
  readonly #files = new Map<number, FileExchange>();
  readonly #dialing = new Map<number, Dialing>();
  readonly #dials = new Map<number, DialStream>();
  /** Closed by us; what init sent before it knew is ignored. */
  readonly #abandoned = new Set<number>();
  readonly #fileSlots = new Slots(MAX_FILE_REQUESTS, MAX_WAITING, 'file requests');
  readonly #dialSlots = new Slots(MAX_DIALS, MAX_WAITING, 'port connections');
  #lastId = 0;

  constructor(sender: FrameSender) {
    this.#sender = sender;
  }

  async file(request: FileRequest, signal?: AbortSignal): Promise<FileExchange> {
    await this.#fileSlots.take(signal);
    const id = this.#nextId();
    let frame: Buffer;
    try {
      frame = encodeFileRequest(id, request);
    } catch (error) {
      this.#fileSlots.release();
      throw error;
    }
    const exchange = new FileExchange(id, this.#sender, frame, () => {
      if (this.#files.delete(id)) this.#fileSlots.release();
    });
    this.#files.set(id, exchange);
    // What is written is often here already, in the same turn: one message then.
    if (request.op === 'write') setImmediate(() => exchange.begin());
    else exchange.begin();
    return exchange;
  }

  async dial(port: number, signal?: AbortSignal): Promise<DialStream> {
    await this.#dialSlots.take(signal);
    const id = this.#nextId();
    const stream = new DialStream(id, this.#sender, () => {
      if (this.#dials.delete(id) || this.#dialing.delete(id)) this.#dialSlots.release();
      this.#abandon(id);
    });
    return await new Promise<DialStream>((resolve, reject) => {
      this.#dialing.set(id, { resolve, reject, stream, port });
      signal?.addEventListener(
        'abort',
        () => {
          if (!this.#dialing.has(id)) return;
          stream.destroy();
          reject(new SandboxError('INVALID_REQUEST', `Cannot connect to port ${port}: the caller gave up`));
        },
        { once: true },
      );
      this.#sender.send(encodeDial(id, port));
    });
  }

  /** Answers false if the type is not about a file or a dial. */
  frame(type: number, id: number, body: Buffer): boolean {
    if (type === UP.fileEnd) this.#file(id).ended(decodeFileEnd(body));
    else if (type === UP.fileCredit) this.#file(id).credit(readU64(body, 0));
    else if (type === UP.dialed) this.#dialed(id, body.readUInt32LE(0));
    else if (type === UP.dialCredit) this.#dial(id)?.credit(readU64(body, 0));
    else if (type === UP.dialClosed) this.#dialClosed(id, body.readUInt32LE(0));
    else return false;
    return true;
  }

  data(type: number, flags: number, id: number, bytes: Buffer, isLast: boolean): void {
    if (type === UP.fileData) this.#file(id).receive(bytes);
    else this.#dial(id)?.receive(bytes, isLast && (flags & FLAG.eof) !== 0);
  }

  /** The connection is gone and init has dropped all of them. */
  lost(reason: string): void {
    for (const exchange of [...this.#files.values()]) exchange.lost(reason);
    for (const [id, dialing] of [...this.#dialing]) {
      this.#dialing.delete(id);
      this.#dialSlots.release();
      dialing.reject(new SandboxError('SANDBOX_FAILED', `Cannot connect to port ${dialing.port}: ${reason}`, { retry: 'later' }));
    }
    for (const stream of [...this.#dials.values()]) stream.destroy(new Error(reason));
    this.#abandoned.clear();
  }

  #dialed(id: number, errno: number): void {
    const dialing = this.#dialing.get(id);
    if (dialing === undefined) {
      this.#dial(id);
      return;
    }
    this.#dialing.delete(id);
    if (errno === 0) {
      this.#dials.set(id, dialing.stream);
      dialing.resolve(dialing.stream);
      return;
    }
    this.#dialSlots.release();
    dialing.reject(
      new SandboxError('NOT_FOUND', `Cannot connect to port ${dialing.port} of the sandbox: nothing answers there (errno ${errno})`, {
        hint: 'Start a server on 127.0.0.1 in the sandbox first.',
      }),
    );
  }

  #dialClosed(id: number, errno: number): void {
    const stream = this.#dial(id);
    if (stream === undefined) this.#abandoned.delete(id);
    else stream.serverClosed(errno);
  }

  #file(id: number): FileExchange {
    const exchange = this.#files.get(id);
    if (exchange === undefined) throw new LinkViolation(`a frame names file request ${id}, which is unknown`);
    return exchange;
  }

  #dial(id: number): DialStream | undefined {
    const stream = this.#dials.get(id);
    if (stream === undefined && !this.#abandoned.has(id)) throw new LinkViolation(`a frame names dial ${id}, which is unknown`);
    return stream;
  }

  #abandon(id: number): void {
    this.#abandoned.add(id);
    for (const oldest of this.#abandoned) {
      if (this.#abandoned.size <= MAX_ABANDONED) break;
      this.#abandoned.delete(oldest);
    }
  }

  #nextId(): number {
    this.#lastId = this.#lastId >= 0xffff_ffff ? 1 : this.#lastId + 1;
    return this.#lastId;
  }
}
