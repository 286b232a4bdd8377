// Small bodies of the frames that the fake init sends.

import { writeU64 } from '../link/frames.ts';

/** Sends a frame to the daemon; dropped while there is no connection. */
export type SendUp = (type: number, flags: number, id: number, body?: Uint8Array) => void;

/** A body that is one 64-bit figure. */
export function u64(value: number): Buffer {
  const body = Buffer.allocUnsafe(8);
  writeU64(body, value, 0);
  return body;
}

/** A body that is one 32-bit figure. */
export function u32(value: number): Buffer {
  const body = Buffer.allocUnsafe(4);
  body.writeUInt32LE(value, 0);
  return body;
}
