// The next request of a connection: its bytes, or what is wrong with them. Owns the time a head may take.

import type { Socket } from 'node:net';
import { readUntil } from './read-until.ts';
import { findHeadEnd, type HeadProblem, parseHead, type RequestHead } from './request-head.ts';

const HEAD_TIMEOUT_MS = 10_000;

/** null: it did not come in time. */
export async function readHead(socket: Socket): Promise<RequestHead | HeadProblem | null> {
  const next = await readUntil(socket, nextOf, HEAD_TIMEOUT_MS);
  if (next === null || next === 'timeout') return null;
  return Buffer.isBuffer(next) ? parseHead(next) : next;
}

function nextOf(bytes: Buffer): { readonly value: Buffer | HeadProblem; readonly used: number } | null {
  const end = findHeadEnd(bytes);
  if (end === null) return null;
  return typeof end === 'number' ? { value: bytes.subarray(0, end), used: end } : { value: end, used: bytes.length };
}
