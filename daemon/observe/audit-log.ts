// The audit log: append-only JSON lines, each with the hash of the one before. Owns the file and its chain;
// what is worth recording is the caller's decision. Values of secrets never come here.

import { createHash } from 'node:crypto';
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { z } from 'zod';
import type { Clock } from './clock.ts';

export const AuditRecord = z.looseObject({
  seq: z.int(),
  at: z.string(),
  kind: z.string(),
  prev: z.string(),
  hash: z.string(),
});
export type AuditRecord = z.infer<typeof AuditRecord>;

/** What a caller states; JSON values only, no field may be called seq, at, prev or hash. */
export type AuditEntry = { readonly kind: string } & Readonly<Record<string, unknown>>;

/** `prev` of the first record. */
export const GENESIS = '0'.repeat(64);
/** A line longer than this can't have been written by us. */
const MAX_LINE_BYTES = 256 * 1024;

export class AuditLog {
  readonly #fd: number;
  readonly #clock: Clock;
  #seq: number;
  #prev: string;

  private constructor(fd: number, clock: Clock, last: AuditRecord | null) {
    this.#fd = fd;
    this.#clock = clock;
    this.#seq = last?.seq ?? 0;
    this.#prev = last?.hash ?? GENESIS;
  }

  /** Opens or makes the log; a torn last line (crash during a write) is cut off, it was never acknowledged. */
  static open(path: string, clock: Clock): AuditLog {
    const fd = openSync(path, 'a+', 0o600);
    const { size } = fstatSync(fd);
    const tail = Buffer.alloc(Math.min(size, MAX_LINE_BYTES));
    readSync(fd, tail, 0, tail.length, size - tail.length);
    const end = tail.lastIndexOf(0x0a);
    if (end + 1 < tail.length) ftruncateSync(fd, size - (tail.length - end - 1));
    const start = end <= 0 ? 0 : tail.lastIndexOf(0x0a, end - 1) + 1;
    const last = end === -1 ? null : AuditRecord.parse(JSON.parse(tail.toString('utf8', start, end)));
    return new AuditLog(fd, clock, last);
  }

  /** Appends one record; it is in the kernel when this returns, so it survives the death of the daemon. */
  append(entry: AuditEntry): void {
    const body = { seq: this.#seq + 1, at: new Date(this.#clock.now()).toISOString(), ...entry, prev: this.#prev };
    const text = JSON.stringify(body);
    const hash = hashOf(text);
    writeSync(this.#fd, `${text.slice(0, -1)},"hash":"${hash}"}\n`);
    this.#seq = body.seq;
    this.#prev = hash;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The hash of a record: of its text as it stands in the file, without the hash. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
