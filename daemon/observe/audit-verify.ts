// Checks the whole of an audit log, line by line, without the daemon: nothing edited, removed, put in, reordered or cut off.

import type { KeyObject } from 'node:crypto';
import { verify } from 'node:crypto';
import { access } from 'node:fs/promises';
import { headPathOf, readHead } from './audit-head.ts';
import { AuditStub, GENESIS, hashOf, stubText } from './audit-record.ts';
import { closedSegments, linesOf } from './audit-segments.ts';

export type AuditVerdict =
  | {
      readonly verdict: 'holds';
      readonly records: number;
      /** Records whose time was over; signed stubs stand in their place. */
      readonly pruned: number;
      readonly seq: number;
      /** What the signed head says; null: there is none, and no record either. */
      readonly head: number | null;
    }
  | { readonly verdict: 'broken'; readonly file: string; readonly line: number; readonly reason: string };

interface Chain {
  seq: number;
  hash: string;
  records: number;
  pruned: number;
}

/** The first line whose hash, order or form is wrong, or what is missing at the end. A torn last line is what a crash leaves. */
export async function verifyAuditLog(path: string, publicKey: KeyObject): Promise<AuditVerdict> {
  const chain: Chain = { seq: 0, hash: GENESIS, records: 0, pruned: 0 };
  const head = await readHead(headPathOf(path), publicKey);
  const broken = (file: string, line: number, reason: string): AuditVerdict => ({ verdict: 'broken', file, line, reason });
  if (head === 'forged') return broken(headPathOf(path), 1, 'its signature is not of this daemon');
  /** Hash of the record that the head names, once it was passed. */
  let atHead: string | null = head !== null && head.seq === 0 ? GENESIS : null;
  const closed = await closedSegments(path);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  for (const file of isThere ? [...closed, path] : closed) {
    let line = 0;
    const reader = linesOf(file);
    let batch = await reader.next();
    for (; batch.done !== true; batch = await reader.next()) {
      for (const text of batch.value.lines) {
        line += 1;
        const reason = step(chain, text, publicKey);
        if (reason !== null) return broken(file, line, reason);
        if (head !== null && chain.seq === head.seq) atHead = chain.hash;
      }
    }
    if (batch.value !== '' && file !== path) return broken(file, line + 1, 'it is torn, and it is not the last one');
  }
  if (head !== null && chain.seq < head.seq)
    return broken(path, chain.records, `the log ends at record ${chain.seq}, its signed head says ${head.seq}: the tail is missing`);
  if (head !== null && atHead !== null && atHead !== head.hash)
    return broken(path, chain.records, `record ${head.seq} is not the one its signed head names`);
  if (head === null && chain.seq > 0) return broken(headPathOf(path), 1, 'the signed head is missing');
  return { verdict: 'holds', records: chain.records, pruned: chain.pruned, seq: chain.seq, head: head?.seq ?? null };
}

/** As the writer sets them: the number first, the two hashes last. What is between them is vouched for by the hash. */
const NUMBER = /^\{"seq":(\d{1,15}),"at":"/;
const LINKS = /,"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}$/;

/** Takes one line into the chain; a reason if it does not fit. */
function step(chain: Chain, text: string, publicKey: KeyObject): string | null {
  if (text.startsWith('{"pruned":')) return stepOver(chain, text, publicKey);
  const [, prev, hash] = LINKS.exec(text.slice(-LINKS_BYTES)) ?? [];
  if (prev === undefined || hash === undefined) return 'it has no hash at its end';
  const seq = Number(NUMBER.exec(text.slice(0, 40))?.[1] ?? Number.NaN);
  if (Number.isNaN(seq)) return 'it is not an audit record';
  if (seq !== chain.seq + 1) return `its number is ${seq}, expected ${chain.seq + 1}`;
  if (prev !== chain.hash) return 'it does not follow the line before';
  if (hashOf(`${text.slice(0, text.length - HASH_BYTES)}}`) !== hash) return 'its content was changed';
  chain.seq += 1;
  chain.records += 1;
  chain.hash = hash;
  return null;
}

const HASH_BYTES = ',"hash":""}'.length + 64;
const LINKS_BYTES = HASH_BYTES + ',"prev":""'.length + 64;

function stepOver(chain: Chain, text: string, publicKey: KeyObject): string | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  const parsed = AuditStub.safeParse(json);
  if (!parsed.success) return 'it is not a prune record';
  const stub = parsed.data;
  if (stub.pruned.from !== chain.seq + 1 || stub.pruned.to < stub.pruned.from)
    return `it begins at ${stub.pruned.from}, expected ${chain.seq + 1}`;
  if (stub.prev !== chain.hash) return 'it does not follow the line before';
  if (!verify(null, Buffer.from(stubText(stub)), publicKey, Buffer.from(stub.signature, 'base64')))
    return 'its signature is not of this daemon';
  chain.pruned += stub.pruned.to - chain.seq;
  chain.seq = stub.pruned.to;
  chain.hash = stub.last;
  return null;
}
