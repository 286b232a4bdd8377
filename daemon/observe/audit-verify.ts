// Checks the chain of an audit log, line by line, without the daemon.

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { AuditRecord, GENESIS, hashOf } from './audit-log.ts';

export type AuditVerdict =
  | { readonly verdict: 'holds'; readonly records: number }
  | { readonly verdict: 'broken'; readonly line: number; readonly reason: string };

/** The first line whose hash, order or form is wrong; a torn last line without a newline is not read, as the daemon does. */
export async function verifyAuditLog(path: string): Promise<AuditVerdict> {
  let prev = GENESIS;
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    line += 1;
    const reason = whyBroken(text, prev, line);
    if (typeof reason === 'string') return { verdict: 'broken', line, reason };
    prev = reason.hash;
  }
  return { verdict: 'holds', records: line };
}

function whyBroken(text: string, prev: string, seq: number): string | { readonly hash: string } {
  const [, body, hash] = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/s.exec(text) ?? [];
  if (body === undefined || hash === undefined) return 'it has no hash at its end';
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  const parsed = AuditRecord.safeParse(json);
  if (!parsed.success) return 'it is not an audit record';
  if (parsed.data.seq !== seq) return `its number is ${parsed.data.seq}, expected ${seq}`;
  if (parsed.data.prev !== prev) return 'it does not follow the line before';
  return hashOf(`${body}}`) === hash ? { hash } : 'its content was changed';
}
