// The Connect protocol with JSON, as envd speaks it: enveloped messages of streams, and the form of errors. Pure.
//
// A message of a stream is one byte of flags, four bytes of length (big endian), and JSON. The last of a stream has flag 2 and
// says how it went: `{}`, or `{"error": {"code", "message"}}`. A call without a stream is plain JSON with an HTTP status.

import { SandboxError } from '../../client/protocol/errors.ts';

const HEADER_BYTES = 5;
const FLAG_COMPRESSED = 1;
const FLAG_END = 2;

export const STREAM_TYPE = 'application/connect+json';

/** Codes of Connect that are answered here. */
export type ConnectCode =
  | 'invalid_argument'
  | 'failed_precondition'
  | 'unauthenticated'
  | 'permission_denied'
  | 'not_found'
  | 'already_exists'
  | 'aborted'
  | 'resource_exhausted'
  | 'internal'
  | 'data_loss'
  | 'unimplemented'
  | 'unavailable'
  | 'deadline_exceeded';

export interface ConnectFailure {
  readonly code: ConnectCode;
  readonly message: string;
}

export const messageFrame = (message: unknown): Buffer => frame(0, message);

export const endFrame = (failure?: ConnectFailure): Buffer => frame(FLAG_END, failure === undefined ? {} : { error: failure });

function frame(flags: number, message: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(flags, 0);
  header.writeUInt32BE(body.byteLength, 1);
  return Buffer.concat([header, body]);
}

/** The messages a client streams, whole and in order; one above `maxBytes` is TOO_LARGE before it is kept. */
export async function* readFrames(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<unknown, void, undefined> {
  const invalid = (cause: string) => new SandboxError('INVALID_REQUEST', `Cannot read the stream: ${cause}`);
  let parts: Uint8Array[] = [];
  let have = 0;
  let due = HEADER_BYTES;
  for await (const part of source) {
    parts.push(part);
    have += part.byteLength;
    // Put together only when there is enough: single bytes must not cost a copy of all before them.
    if (have < due) continue;
    let kept = Buffer.concat(parts, have);
    for (due = HEADER_BYTES; kept.byteLength >= HEADER_BYTES; due = HEADER_BYTES) {
      const flags = kept.readUInt8(0);
      const length = kept.readUInt32BE(1);
      if ((flags & FLAG_COMPRESSED) !== 0) throw invalid('a message is compressed');
      if (length > maxBytes) throw new SandboxError('TOO_LARGE', `Cannot read the stream: a message has more than ${maxBytes} bytes`);
      due = HEADER_BYTES + length;
      if (kept.byteLength < due) break;
      if ((flags & FLAG_END) !== 0) return;
      yield parsed(kept.toString('utf8', HEADER_BYTES, due), invalid);
      kept = kept.subarray(due);
    }
    parts = [kept];
    have = kept.byteLength;
  }
  if (have > 0) throw invalid('it was cut off');
}

function parsed(text: string, invalid: (cause: string) => SandboxError): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('a message is not JSON');
  }
}
