// The answer of a server, written anew for the client at the client's pace. Owns its framing and what leaves the head; the server's
// words were read by Node's parser.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { EchoFilter, withoutValues } from './echo-filter.ts';
import { downstreamLines } from './http-fields.ts';

export interface AnswerOptions {
  readonly client: Socket;
  readonly method: string;
  /** The connection to the client ends with it. */
  readonly isLast: boolean;
  /** Values of secrets that the server was given; the client never gets them back. */
  readonly written: readonly string[];
  /** Counts; false: enough. */
  readonly meter: (bytes: number) => boolean;
}

/** False: it broke off, and what was written must not be taken for whole. */
export function writeAnswer(message: IncomingMessage, { client, method, isLast, written, meter }: AnswerOptions): Promise<boolean> {
  const status = message.statusCode ?? 502;
  const isEmpty = method === 'HEAD' || status === 204 || status === 304;
  const length = message.headers['content-length'];
  const isChunked = !isEmpty && (length === undefined || message.headers['transfer-encoding'] !== undefined);
  const framing = isChunked ? ['Transfer-Encoding: chunked'] : length === undefined ? [] : [`Content-Length: ${length}`];
  const lines = [
    `HTTP/1.1 ${status} ${withoutValues(message.statusMessage ?? '', written)}`,
    ...downstreamLines(message.rawHeaders).map((line) => withoutValues(line, written)),
    ...framing,
    `Connection: ${isLast ? 'close' : 'keep-alive'}`,
  ];
  const echo = new EchoFilter(written);
  const pass = (piece: Buffer): boolean => {
    // A chunk of nothing would be the last one.
    if (piece.length === 0) return true;
    if (isChunked) client.write(`${piece.length.toString(16)}\r\n`, 'latin1');
    const isRoom = client.write(piece);
    return isChunked ? client.write('\r\n', 'latin1') && isRoom : isRoom;
  };
  return new Promise((resolve) => {
    // Head and what of the body came with it leave in one piece: each piece wakes the relay and the tool.
    client.cork();
    const corked = setImmediate(() => client.uncork());
    const finish = (isWhole: boolean) => {
      clearImmediate(corked);
      message.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
      client.off('drain', onDrain).off('close', onBroken);
      if (isWhole) {
        pass(echo.end());
        if (isChunked) client.write('0\r\n\r\n', 'latin1');
      }
      client.uncork();
      resolve(isWhole);
    };
    const onData = (chunk: Buffer) => {
      if (!meter(chunk.length) || client.destroyed) return finish(false);
      if (!pass(echo.push(chunk))) message.pause();
    };
    const onDrain = () => message.resume();
    const onEnd = () => finish(message.complete);
    const onBroken = () => finish(false);
    client.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    client.on('drain', onDrain).on('close', onBroken);
    message.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
    if (client.destroyed) onBroken();
  });
}
