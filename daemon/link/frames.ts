// The frames between the daemon and cloister-init: numbers, bounds and the incremental decoder.
// The other half of images/init/protocol.h (the two change together); knows no message's meaning beyond its length.

export const PROTOCOL_VERSION = 1;
export const HEADER_BYTES = 12;
export const NONCE_BYTES = 32;
export const MAX_START_BODY = 1024 * 1024;
export const MAX_DATA = 64 * 1024;
export const WINDOW_BYTES = 16 * (MAX_DATA - 20);
export const STDIN_WINDOW_BYTES = 64 * 1024;
export const FILE_WINDOW_BYTES = 1024 * 1024;
export const DIAL_WINDOW_BYTES = 256 * 1024;
export const MAX_EXECS = 128;
export const MAX_FILE_REQUESTS = 16;
export const MAX_DIALS = 64;
export const MAX_PATH_BYTES = 4096;
/** Globs and program of one LIST or GREP. */
export const MAX_SEARCH_BYTES = 48 * 1024;
export const STATUS_BYTES = 24;
export const EXIT_BYTES = 64;
export const SELF_REPORT_BYTES = 24;
export const MAX_PROC_STATUS_BYTES = 8 * 1024;
export const FILE_STAT_BYTES = 40;

/** daemon -> init */
export const DOWN = {
  welcome: 0x01,
  start: 0x02,
  stdin: 0x03,
  kill: 0x04,
  credit: 0x05,
  resize: 0x06,
  exitAck: 0x07,
  dial: 0x08,
  dialData: 0x09,
  dialCredit: 0x0a,
  dialClose: 0x0b,
  file: 0x0c,
  fileData: 0x0d,
  fileCredit: 0x0e,
  fileCancel: 0x0f,
  ping: 0x10,
  report: 0x11,
  clock: 0x12,
} as const;

/** init -> daemon */
export const UP = {
  hello: 0x81,
  status: 0x82,
  started: 0x83,
  output: 0x84,
  exit: 0x85,
  stdinCredit: 0x86,
  exitGone: 0x87,
  dialed: 0x88,
  dialData: 0x89,
  dialCredit: 0x8a,
  dialClosed: 0x8b,
  fileEnd: 0x8c,
  fileData: 0x8d,
  fileCredit: 0x8e,
  pong: 0x90,
  selfReport: 0x91,
} as const;

export const FLAG = { stderr: 1, eof: 2, rewind: 4 } as const;

export interface FrameBound {
  readonly min: number;
  readonly max: number;
  /** Flags that may be set. */
  readonly flags: number;
  /** The body is handed out piece by piece as it arrives; `offset`: it begins with a u64. */
  readonly data?: 'plain' | 'offset';
  /** The body is a multiple of this. */
  readonly unit?: number;
}

export type FrameBounds = Readonly<Record<number, FrameBound>>;

const exactly = (bytes: number, flags = 0): FrameBound => ({ min: bytes, max: bytes, flags });

/** What init may send once it is welcome. */
export const UP_BOUNDS: FrameBounds = {
  [UP.status]: { min: 0, max: MAX_EXECS * STATUS_BYTES, flags: 0, unit: STATUS_BYTES },
  [UP.started]: exactly(4),
  [UP.output]: { min: 9, max: MAX_DATA + 8, flags: FLAG.stderr, data: 'offset' },
  [UP.exit]: exactly(EXIT_BYTES),
  [UP.stdinCredit]: exactly(8, FLAG.eof),
  [UP.exitGone]: exactly(0),
  [UP.dialed]: exactly(4),
  [UP.dialData]: { min: 0, max: MAX_DATA, flags: FLAG.eof, data: 'plain' },
  [UP.dialCredit]: exactly(8),
  [UP.dialClosed]: exactly(4),
  [UP.fileEnd]: { min: 8, max: 8 + FILE_STAT_BYTES + MAX_PATH_BYTES, flags: 0 },
  [UP.fileData]: { min: 1, max: MAX_DATA, flags: 0, data: 'plain' },
  [UP.fileCredit]: exactly(8),
  [UP.pong]: exactly(8),
  [UP.selfReport]: { min: SELF_REPORT_BYTES, max: SELF_REPORT_BYTES + MAX_PROC_STATUS_BYTES, flags: 0 },
};

/** What a connection may send before it is welcome. */
export const HELLO_BOUNDS: FrameBounds = { [UP.hello]: exactly(4 + NONCE_BYTES) };

/** Init sent what the protocol does not allow; the sandbox can't be trusted to tell the truth any more. */
export class LinkViolation extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LinkViolation';
  }
}

export interface FrameSink {
  /** A whole frame that is not data. `body` is a view, valid during the call only. */
  frame(type: number, flags: number, id: number, body: Buffer): void;
  /** A part of a data frame: bytes in order, `offset` of the first one (0 for plain data). `isLast`: the frame is complete. */
  data(type: number, flags: number, id: number, offset: number, bytes: Buffer, isLast: boolean): void;
}

/** Reads an unsigned 64-bit figure that must be exact as a number. */
export function readU64(body: Buffer, at: number): number {
  const high = body.readUInt32LE(at + 4);
  if (high >= 0x20_0000) throw new LinkViolation('a 64-bit figure is beyond 2^53');
  return high * 0x1_0000_0000 + body.readUInt32LE(at);
}

export function writeU64(body: Buffer, value: number, at: number): void {
  body.writeUInt32LE(value % 0x1_0000_0000, at);
  body.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

/** Fills the header of a frame whose body of `length` bytes follows. */
export function writeHeader(target: Buffer, type: number, flags: number, id: number, length: number): void {
  target.writeUInt32LE(length, 0);
  target[4] = type;
  target[5] = flags;
  target.writeUInt16LE(0, 6);
  target.writeUInt32LE(id, 8);
}

/** A frame with its whole body in one buffer. */
export function encodeFrame(type: number, flags: number, id: number, body?: Uint8Array): Buffer {
  const length = body?.byteLength ?? 0;
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  writeHeader(frame, type, flags, id, length);
  if (body !== undefined) frame.set(body, HEADER_BYTES);
  return frame;
}
