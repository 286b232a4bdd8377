// Calls to a sandbox in the Connect protocol, without a stream and with one of answers. Owns how messages are read and answers
// paced; what the calls do is their services' business.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { Clock } from '../observe/clock.ts';
import { type ConnectFailure, endFrame, messageFrame, readFrames, STREAM_TYPE } from './connect-codec.ts';
import type { LiveSandbox } from './live-sandboxes.ts';
import { partsOf, readJson, sendJson } from './http-io.ts';
import type { Room } from './room.ts';

/** Input for a command, in base64, is the largest. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const DEFAULT_PING_SECONDS = 90;
const MAX_PING_SECONDS = 600;
const MAX_TIMEOUT_MS = 0x7fff_ffff;

export interface StreamCall {
  /** Aborted when nobody reads any more. */
  readonly signal: AbortSignal;
  /** What the client gives the whole stream; undefined: no limit. */
  readonly timeoutMs: number | undefined;
}

export type UnaryHandler = (live: LiveSandbox, message: unknown) => Promise<unknown>;

export interface StreamHandler {
  readonly schema: z.ZodType;
  /** Sent now and then, so that nobody on the way takes a silent stream for a dead one. */
  readonly keepalive: unknown;
  readonly run: (live: LiveSandbox, message: unknown, call: StreamCall) => AsyncGenerator<unknown, void, undefined>;
}

export interface StreamOptions {
  readonly room: Room;
  readonly clock: Clock;
  /** Asked now and then: a key that is revoked ends its streams. */
  readonly assertHonoured: () => Promise<void>;
  readonly failureOf: (error: unknown) => ConnectFailure;
}

export async function answerUnary(
  request: IncomingMessage,
  response: ServerResponse,
  live: LiveSandbox,
  handler: UnaryHandler,
  room: Room,
): Promise<void> {
  sendJson(response, 200, await handler(live, await readJson(request, MAX_MESSAGE_BYTES, room)));
}

/** Resolves when the stream is out; never rejects after its first byte. */
export async function answerStream(
  request: IncomingMessage,
  response: ServerResponse,
  live: LiveSandbox,
  handler: StreamHandler,
  { room, clock, assertHonoured, failureOf }: StreamOptions,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.writeHead(200, { 'content-type': STREAM_TYPE, 'cache-control': 'no-store' });
  let stopPings: () => void = () => undefined;
  const ping = (): void => {
    stopPings = clock.after(pingMs(request), () => {
      if (!response.writableNeedDrain) response.write(messageFrame(handler.keepalive));
      assertHonoured().catch(() => gone.abort());
      ping();
    });
  };
  try {
    const message = await onlyMessage(room.keep(partsOf(request)), handler.schema);
    ping();
    const events = handler.run(live, message, { signal: gone.signal, timeoutMs: timeoutOf(request) });
    await send(response, events, gone.signal);
    if (gone.signal.aborted) response.destroy();
    else response.end(endFrame());
  } catch (error) {
    if (gone.signal.aborted) response.destroy();
    else response.end(endFrame(failureOf(error)));
  } finally {
    stopPings();
  }
}

/** At the pace of the reader. Nobody waits for an event that nobody reads any more. */
async function send(response: ServerResponse, events: AsyncGenerator<unknown, void, undefined>, signal: AbortSignal): Promise<void> {
  const gone = new Promise<'gone'>((resolve) => {
    if (signal.aborted) resolve('gone');
    signal.addEventListener('abort', () => resolve('gone'), { once: true });
  });
  try {
    for (;;) {
      const next = await Promise.race([events.next(), gone]);
      if (next === 'gone' || next.done === true) return;
      if (!response.write(messageFrame(next.value))) await once(response, 'drain', { signal }).catch(() => undefined);
    }
  } finally {
    void events.return().catch(() => undefined);
  }
}

async function onlyMessage(source: AsyncIterable<Buffer>, schema: z.ZodType): Promise<unknown> {
  for await (const message of readFrames(source, MAX_MESSAGE_BYTES)) return schema.parse(message);
  throw new SandboxError('INVALID_REQUEST', 'Cannot read the request: it has no message');
}

function timeoutOf(request: IncomingMessage): number | undefined {
  const ms = Number(request.headers['connect-timeout-ms']);
  return Number.isInteger(ms) && ms > 0 && ms <= MAX_TIMEOUT_MS ? ms : undefined;
}

function pingMs(request: IncomingMessage): number {
  const seconds = Number(request.headers['keepalive-ping-interval']);
  return 1000 * (Number.isFinite(seconds) && seconds >= 1 ? Math.min(seconds, MAX_PING_SECONDS) : DEFAULT_PING_SECONDS);
}
