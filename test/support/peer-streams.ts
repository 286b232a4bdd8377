// The streams of one socket of the test peer, with credit in both directions.

import {
  FLAG_EOF,
  FLAG_STDERR,
  FRAME_KIND,
  INITIAL_WINDOW,
  MAX_PAYLOAD_BYTES,
  type BinaryFrame,
  type ExecResult,
  type FrameKind,
} from '../../client/protocol/index.ts';
import type { PeerExec } from './peer-exec.ts';

interface Stream {
  credit: number;
  sent: number;
  isStopped: boolean;
  /** Sends what credit allows. */
  pump: () => void;
  receive: (frame: BinaryFrame) => void;
}

export interface PeerWire {
  frame(kind: FrameKind, flags: number, stream: number, offset: number, payload?: Uint8Array): void;
  event(message: object): void;
  /** Closes the socket: the client broke the protocol. */
  violation(): void;
}

export class PeerStreams {
  readonly #wire: PeerWire;
  readonly #streams = new Map<number, Stream>();

  constructor(wire: PeerWire) {
    this.#wire = wire;
  }

  onFrame(frame: BinaryFrame): void {
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined) return;
    if (frame.kind === FRAME_KIND.data) stream.receive(frame);
    else if (frame.kind === FRAME_KIND.credit) stream.credit = Math.max(stream.credit, frame.offset);
    else stream.isStopped = true;
    stream.pump();
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.isStopped = true;
  }

  /** Output from an offset on, stdin the other way, then the result; with `yieldMs` whichever is first. */
  async run(exec: PeerExec, id: number | undefined, from: number, yieldMs: number | undefined, keepBytes: number): Promise<ExecResult> {
    const stream = this.#newStream(from);
    stream.isStopped = id === undefined;
    stream.receive = (frame) => this.#takeStdin(exec, frame);
    const isOver = () => exec.result !== undefined && (stream.isStopped || stream.sent >= exec.endOffset);
    let isYielded = false;
    await new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      stream.pump = () => {
        if (id !== undefined) this.#sendOutput(exec, id, stream, keepBytes);
        if (!isOver() && !isYielded) return;
        stopListening();
        clearTimeout(timer);
        resolve();
      };
      const stopListening = exec.onChange(() => stream.pump());
      if (id !== undefined) this.#streams.set(id, stream);
      if (yieldMs !== undefined) {
        timer = setTimeout(() => {
          isYielded = true;
          stream.pump();
        }, yieldMs);
      }
      stream.pump();
    });
    if (id === undefined || stream.isStopped) return exec.snapshot();
    this.#wire.frame(FRAME_KIND.data, FLAG_EOF, id, stream.sent);
    this.#streams.delete(id);
    return { ...exec.snapshot(), nextOffset: stream.sent };
  }

  /** Sends bytes; resolves when all are sent or the client wants no more. */
  async send(id: number, bytes: Uint8Array): Promise<void> {
    const stream = this.#newStream(0);
    await new Promise<void>((resolve) => {
      stream.pump = () => {
        this.#sendPart(id, stream, { offset: 0, bytes, isStderr: false });
        if (stream.isStopped || stream.sent >= bytes.byteLength) resolve();
      };
      this.#streams.set(id, stream);
      stream.pump();
    });
    this.#streams.delete(id);
  }

  /** Takes bytes up to EOF; null: the client gave up. */
  async receive(id: number): Promise<Buffer | null> {
    const parts: Buffer[] = [];
    let received = 0;
    const stream = this.#newStream(0);
    const isWhole = await new Promise<boolean>((resolve) => {
      stream.receive = ({ offset, payload, flags }) => {
        if (offset !== received) return this.#wire.violation();
        received += payload.byteLength;
        parts.push(Buffer.from(payload));
        if ((flags & FLAG_EOF) !== 0) return resolve(true);
        return this.#wire.frame(FRAME_KIND.credit, 0, id, received + INITIAL_WINDOW);
      };
      stream.pump = () => {
        if (stream.isStopped) resolve(false);
      };
      this.#streams.set(id, stream);
    });
    this.#streams.delete(id);
    return isWhole ? Buffer.concat(parts) : null;
  }

  #newStream(from: number): Stream {
    return { credit: from + INITIAL_WINDOW, sent: from, isStopped: false, pump: () => undefined, receive: () => undefined };
  }

  /** After a resume some of it comes again: what is known is dropped. */
  #takeStdin(exec: PeerExec, { stream, offset, payload, flags }: BinaryFrame): void {
    if (offset > exec.stdinReceived) return this.#wire.violation();
    const known = exec.stdinReceived - offset;
    if (exec.isStdinEnded || known > payload.byteLength) return undefined;
    exec.writeStdin(Buffer.from(payload.subarray(known)), (flags & FLAG_EOF) !== 0);
    return this.#wire.frame(FRAME_KIND.credit, 0, stream, exec.stdinReceived + INITIAL_WINDOW);
  }

  #sendOutput(exec: PeerExec, id: number, stream: Stream, keepBytes: number): void {
    const firstKept = exec.endOffset - keepBytes;
    if (stream.sent < firstKept) {
      this.#wire.event({ event: 'stream.gap', stream: id, from: stream.sent, to: firstKept });
      stream.credit += firstKept - stream.sent;
      stream.sent = firstKept;
    }
    for (const part of exec.parts) this.#sendPart(id, stream, part);
  }

  #sendPart(id: number, stream: Stream, part: { offset: number; bytes: Uint8Array; isStderr: boolean }): void {
    const end = part.offset + part.bytes.byteLength;
    while (!stream.isStopped && stream.sent < end && stream.sent < stream.credit) {
      const offset = stream.sent;
      stream.sent = Math.min(end, offset + MAX_PAYLOAD_BYTES, stream.credit);
      const payload = part.bytes.subarray(offset - part.offset, stream.sent - part.offset);
      this.#wire.frame(FRAME_KIND.data, part.isStderr ? FLAG_STDERR : 0, id, offset, payload);
    }
  }
}
