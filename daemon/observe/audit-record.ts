// What an audit record is: the kinds there are, what they have in common, and how long they must be kept. Pure.
// Values of secrets never come here; what was left out of a text is named in it.

import { hash } from 'node:crypto';
import { z } from 'zod';
import type { Operation } from '../../client/protocol/requests.ts';

/** What kinds there are beside the names of operations, and what they count as for retention. */
const AUDIT_KINDS = {
  'daemon.start': 'other',
  'daemon.stop': 'other',
  'audit.prune': 'other',
  'audit.dropped': 'other',
  'audit.headMissing': 'other',
  'sandbox.open': 'other',
  'sandbox.pause': 'other',
  'sandbox.resume': 'other',
  'sandbox.close': 'other',
  /** Of the permission engine, before what it is about starts. */
  decision: 'other',
  'exec.end': 'other',
  'egress.start': 'other',
  'egress.decision': 'other',
  'secret.set': 'other',
  'session.report': 'other',
  /** Of a session in a fleet: it became this member's, is another's by now, or was given back. */
  'placement.acquire': 'other',
  'placement.lost': 'other',
  'placement.release': 'other',
  'session.extend': 'other',
  'token.create': 'other',
  'token.revoke': 'other',
  'token.rotate': 'other',
  'config.change': 'other',
  'config.refused': 'other',
  alert: 'other',
  'confirm.request': 'approval',
  denied: 'denial',
} as const satisfies Record<string, RetentionClass>;
const APPROVAL_OPERATION: Operation = 'confirm.answer';

export type AuditKind = keyof typeof AUDIT_KINDS | Operation;

/** A denial is kept as one whatever its kind. */
export type RetentionClass = 'denial' | 'approval' | 'other';

/** Of a session's records; each is there if the record is of something in a session. */
const Identity = {
  tenant: z.string().nullable().optional(),
  session: z.string().nullable().optional(),
  sandboxId: z.string().optional(),
  execId: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  /** Content id. */
  image: z.string().optional(),
  profile: z.string().optional(),
  policySha256: z.string().optional(),
  seccompSha256: z.string().optional(),
  daemonVersion: z.string().optional(),
};

/** Every line but stubs; fields that one kind alone has are its writer's. */
export const AuditRecord = z.looseObject({
  seq: z.int().min(1),
  /** RFC 3339, UTC. */
  at: z.string(),
  kind: z.string().regex(/^[a-z]+(\.[a-zA-Z]+)?$/),
  ...Identity,
  /** Hash of the record before. */
  prev: z.string(),
  hash: z.string(),
});
export type AuditRecord = z.infer<typeof AuditRecord>;

/** In place of records whose time was over: signed, because with it the chain goes on where the records are gone. */
export const AuditStub = z.strictObject({
  pruned: z.strictObject({ from: z.int().min(1), to: z.int().min(1) }),
  at: z.string(),
  prev: z.string(),
  /** Hash of the last record that is gone. */
  last: z.string(),
  signature: z.string(),
});
export type AuditStub = z.infer<typeof AuditStub>;

/** What a caller states; JSON values only, no field may be called seq, at, prev or hash. */
export type AuditEntry = { readonly kind: AuditKind } & Readonly<Record<string, unknown>>;

/** `prev` of the first record. */
export const GENESIS = '0'.repeat(64);
/** A line longer than this can't have been written by us. */
export const MAX_LINE_BYTES = 256 * 1024;

/** The hash of a record: of its text as it stands in the file, without the hash. */
export function hashOf(text: string): string {
  return hash('sha256', text);
}

export function stubText({ pruned, at, prev, last }: Omit<AuditStub, 'signature'>): string {
  return `cloister-audit-stub\n${pruned.from}\n${pruned.to}\n${at}\n${prev}\n${last}\n`;
}

export function retentionClassOf(record: Readonly<Record<string, unknown>>): RetentionClass {
  const kind = String(record['kind']);
  const isDenial = record['verdict'] === 'deny' || record['outcome'] === 'denied' || record['decision'] === 'deny';
  if (isDenial) return 'denial';
  if (kind === APPROVAL_OPERATION) return 'approval';
  return Object.hasOwn(AUDIT_KINDS, kind) ? AUDIT_KINDS[kind as keyof typeof AUDIT_KINDS] : 'other';
}
