// Plays docs/protocol-conversation.jsonl against a daemon, as a client would that knows nothing but the document: a plain
// WebSocket, JSON, and frames put together by hand.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { eventually } from './eventually.ts';

const SCRIPT = join(import.meta.dirname, '../../docs/protocol-conversation.jsonl');
const KINDS = { data: 1, credit: 2, stop: 3 } as const;
const EOF = 2;
const STDERR = 1;
const HEADER = 16;

const Frame = z.strictObject({
  kind: z.enum(['data', 'credit', 'stop']),
  stream: z.int(),
  offset: z.int(),
  text: z.string().optional(),
  eof: z.boolean().optional(),
});
const Bytes = z.strictObject({
  stream: z.int(),
  from: z.int().default(0),
  stdout: z.string().optional(),
  stderr: z.string().default(''),
  /** Instead of the bytes themselves: how many. */
  length: z.int().optional(),
});
const Step = z.union([
  z.strictObject({ note: z.string() }),
  z.strictObject({ connect: z.string() }),
  z.strictObject({ disconnect: z.string() }),
  z.strictObject({ text: z.unknown() }),
  z.strictObject({ frame: Frame }),
  z.strictObject({ answer: z.looseObject({ id: z.int() }) }),
  z.strictObject({ event: z.looseObject({ event: z.string() }) }),
  z.strictObject({ bytes: Bytes }),
  z.strictObject({ lines: z.strictObject({ stream: z.int(), lines: z.array(z.unknown()) }) }),
  z.strictObject({ closed: z.int() }),
]);
export type Step = z.infer<typeof Step>;

interface Received {
  readonly offset: number;
  readonly flags: number;
  readonly payload: Buffer;
}

export const conversation = (): Step[] =>
  readFileSync(SCRIPT, 'utf8')
    .trim()
    .split('\n')
    .map((line) => Step.parse(JSON.parse(line)));

export class ConversationPlayer implements Disposable {
  readonly #url: string;
  readonly #token: string;
  readonly #kept = new Map<string, unknown>();
  #socket: WebSocket | null = null;
  #closeCode: number | null = null;
  #messages: unknown[] = [];
  #frames = new Map<number, Received[]>();

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  [Symbol.dispose](): void {
    this.#socket?.terminate();
  }

  /** What was expected and what came, for the assertion; equal where all is well. */
  async play(step: Step): Promise<{ readonly expected: unknown; readonly actual: unknown }> {
    if ('connect' in step) await this.#connect();
    else if ('disconnect' in step) await this.#disconnect();
    else if ('text' in step) this.#socket?.send(JSON.stringify(this.#filled(step.text)));
    else if ('frame' in step) this.#socket?.send(encode(step.frame));
    else if ('answer' in step) return await this.#message(step.answer, (message) => message['id'] === step.answer.id);
    else if ('event' in step) return await this.#message(step.event, (message) => message['event'] === step.event.event);
    else if ('bytes' in step) return await this.#bytes(step.bytes);
    else if ('lines' in step) return this.#lines(step.lines);
    else if ('closed' in step)
      return {
        expected: step.closed,
        actual: await eventually(
          () => this.#closeCode,
          (code) => code !== null,
        ),
      };
    return { expected: null, actual: null };
  }

  async #connect(): Promise<void> {
    const socket = new WebSocket(`${this.#url}/v1/ws`, 'cloister.v1', {
      headers: { authorization: `Bearer ${this.#token}` },
      perMessageDeflate: false,
    });
    this.#socket = socket;
    this.#messages = [];
    this.#frames = new Map();
    this.#closeCode = null;
    socket.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) return void this.#messages.push(JSON.parse(data.toString()));
      const stream = data.readUInt32LE(4);
      const frames = this.#frames.get(stream) ?? [];
      this.#frames.set(stream, frames);
      frames.push({ offset: Number(data.readBigUInt64LE(8)), flags: data[1] ?? 0, payload: data.subarray(HEADER) });
    });
    socket.on('close', (code: number) => (this.#closeCode = code));
    await once(socket, 'open');
  }

  async #disconnect(): Promise<void> {
    this.#socket?.terminate();
    await eventually(
      () => this.#closeCode,
      (code) => code !== null,
    );
  }

  async #message(wanted: Readonly<Record<string, unknown>>, isIt: (message: Record<string, unknown>) => boolean) {
    const found = await eventually(
      () => this.#messages.find((message) => isIt(message as Record<string, unknown>)) ?? null,
      (message) => message !== null,
    );
    this.#messages = this.#messages.filter((message) => message !== found);
    const actual = this.#held(wanted, found);
    return { expected: this.#filled(wanted), actual };
  }

  async #bytes({ stream, from, stdout, stderr, length }: z.infer<typeof Bytes>) {
    const wanted = length === undefined ? { stdout: stdout ?? '', stderr } : { length };
    const now = (): unknown => {
      const frames = this.#frames.get(stream) ?? [];
      const [first] = frames;
      if (first !== undefined && first.offset !== from) return { from: first.offset };
      const of = (isStderr: boolean): Buffer[] =>
        frames.filter(({ flags }) => ((flags & STDERR) !== 0) === isStderr).map(({ payload }) => payload);
      if (length !== undefined) return { length: Buffer.concat(of(false)).length };
      return { stdout: Buffer.concat(of(false)).toString(), stderr: Buffer.concat(of(true)).toString() };
    };
    return { expected: wanted, actual: await eventually(now, (seen) => isDeepStrictEqual(seen, wanted)) };
  }

  #lines({ stream, lines }: { readonly stream: number; readonly lines: readonly unknown[] }) {
    const text = Buffer.concat((this.#frames.get(stream) ?? []).map(({ payload }) => payload)).toString();
    const found = text.split('\n').filter((line) => line !== '');
    return {
      expected: lines,
      actual: this.#held(
        lines,
        found.map((line) => JSON.parse(line) as unknown),
      ),
    };
  }

  /** $NAME replaced by what was kept under it. */
  #filled(value: unknown): unknown {
    if (typeof value === 'string' && value.startsWith('$')) return this.#kept.get(value) ?? value;
    if (Array.isArray(value)) return value.map((item) => this.#filled(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.#filled(item)]));
  }

  /** Of what came the part that was expected; a name that nothing is kept under keeps what stands there. */
  #held(wanted: unknown, found: unknown): unknown {
    if (typeof wanted === 'string' && wanted.startsWith('$') && !this.#kept.has(wanted)) {
      this.#kept.set(wanted, found);
      return found;
    }
    if (Array.isArray(wanted) && Array.isArray(found)) return found.map((item, index) => this.#held(wanted[index] ?? item, item));
    if (typeof wanted !== 'object' || wanted === null || typeof found !== 'object' || found === null) return found;
    const came = found as Readonly<Record<string, unknown>>;
    return Object.fromEntries(Object.entries(wanted).map(([name, item]) => [name, this.#held(item, came[name])]));
  }
}

function encode({ kind, stream, offset, text = '', eof = false }: z.infer<typeof Frame>): Buffer {
  const payload = Buffer.from(text);
  const frame = Buffer.alloc(HEADER + payload.length);
  frame[0] = KINDS[kind];
  frame[1] = eof ? EOF : 0;
  frame.writeUInt32LE(stream, 4);
  frame.writeBigUInt64LE(BigInt(offset), 8);
  payload.copy(frame, HEADER);
  return frame;
}
