// The wire protocol `cloister.v1` between client and daemon.
//
// GET /v1/ws is upgraded with subprotocol `cloister.v1` and the token in `Authorization: Bearer TOKEN`, or as
// another subprotocol `bearer.TOKEN` where headers can't be set. No permessage-deflate; a message is at most 1 MiB.
//
// Text messages are JSON.
//   client -> daemon  {"id": 7, "op": "exec.start", "params": {...}}          ids are the client's, never used twice
//   daemon -> client  {"id": 7, "result": {...}} or {"id": 7, "error": {code, message, retry, hint}}
//                     exactly one per request, in any order; the answer of exec.start and exec.attach comes when the
//                     command has its outcome (or yieldMs is over), so it is the one terminal event of the command
//   daemon -> client  {"event": "...", ...}                                    see requests.ts
// `hello` comes first and within 10 s. Requests are defined in requests.ts, errors in errors.ts.
//
// Binary messages are a 16-byte header, little-endian, and a payload of at most 256 KiB.
//   u8 kind   u8 flags   u16 zero   u32 stream   u64 offset
//   kind 1 DATA    offset of the first byte in its direction; FLAG_STDERR: of stderr; FLAG_EOF: the last (may be empty)
//   kind 2 CREDIT  no payload; the receiver of this may send up to `offset`
//   kind 3 STOP    no payload; the receiver of this sends no more on this stream (the command or file goes on)
// A stream is named by the request that opens it. Before any CREDIT a sender may send INITIAL_WINDOW bytes.
// An exec's output, stdout and stderr together, is one sequence with one offset; exec.attach starts at the asked
// offset, and its first CREDIT is relative to that: absolute offsets everywhere.
//
// Heartbeats: the daemon sends a WebSocket ping and an event every heartbeatMs whatever else is sent.
// A connection that ends resumes within 10 minutes: connect, hello with the same clientId, open again (the session
// answers `attached`), exec.start again for what may not have arrived (the same execId starts nothing twice),
// exec.attach at the offset reached.
// Close codes: 1001 going away, 1002 protocol violation, 1009 message too large, 4001 lease lost, 4003 token expired.

export const SUBPROTOCOL = 'cloister.v1';
export const BEARER_PREFIX = 'bearer.';
export const PROTOCOL_VERSION = 1;
export const MAX_MESSAGE_BYTES = 1024 * 1024;
export const MAX_PAYLOAD_BYTES = 256 * 1024;
/** Bytes a sender may send on a new stream before the first CREDIT. */
export const INITIAL_WINDOW = 256 * 1024;
/** Bytes that a sender keeps after sending: so much it sends again when it goes on after a lost connection. */
export const REPEATED_BYTES = 1024 * 1024;
export const FRAME_HEADER_BYTES = 16;

export const FRAME_KIND = { data: 1, credit: 2, stop: 3 } as const;
export type FrameKind = (typeof FRAME_KIND)[keyof typeof FRAME_KIND];
export const FLAG_STDERR = 1;
export const FLAG_EOF = 2;

export const CLOSE_CODE = { goingAway: 1001, protocolViolation: 1002, tooLarge: 1009, leaseLost: 4001, tokenExpired: 4003 } as const;

export interface BinaryFrame {
  readonly kind: FrameKind;
  readonly flags: number;
  readonly stream: number;
  readonly offset: number;
  readonly payload: Uint8Array;
}

/** Writes a header into 16 bytes. Offsets are exact up to 2^53. */
export function writeFrameHeader(target: Uint8Array, kind: FrameKind, flags: number, stream: number, offset: number): void {
  const view = new DataView(target.buffer, target.byteOffset, FRAME_HEADER_BYTES);
  view.setUint8(0, kind);
  view.setUint8(1, flags);
  view.setUint16(2, 0, true);
  view.setUint32(4, stream, true);
  view.setUint32(8, offset % 0x1_0000_0000, true);
  view.setUint32(12, Math.floor(offset / 0x1_0000_0000), true);
}

/** One message with header and payload; copies the payload. */
export function encodeFrame(kind: FrameKind, flags: number, stream: number, offset: number, payload?: Uint8Array): Uint8Array {
  const message = new Uint8Array(FRAME_HEADER_BYTES + (payload?.byteLength ?? 0));
  writeFrameHeader(message, kind, flags, stream, offset);
  if (payload !== undefined) message.set(payload, FRAME_HEADER_BYTES);
  return message;
}

/** Reads a binary message; null: it is not a frame of this protocol. The payload is a view, not a copy. */
export function decodeFrame(message: Uint8Array): BinaryFrame | null {
  if (message.byteLength < FRAME_HEADER_BYTES || message.byteLength > FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES) return null;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const kind = view.getUint8(0);
  if (kind !== FRAME_KIND.data && kind !== FRAME_KIND.credit && kind !== FRAME_KIND.stop) return null;
  const flags = view.getUint8(1);
  const stream = view.getUint32(4, true);
  const high = view.getUint32(12, true);
  if (view.getUint16(2, true) !== 0 || flags > 3 || stream === 0 || high >= 0x20_0000) return null;
  if (kind !== FRAME_KIND.data && (message.byteLength !== FRAME_HEADER_BYTES || flags !== 0)) return null;
  const offset = high * 0x1_0000_0000 + view.getUint32(8, true);
  return { kind, flags, stream, offset, payload: message.subarray(FRAME_HEADER_BYTES) };
}
