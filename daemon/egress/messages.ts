// What daemon and egress process say to each other over IPC. Both sides parse: the egress process reads what tenants
// send, so the daemon trusts it with nothing but its own sandboxes' traffic.

import { z } from 'zod';
import { EgressDecision } from '../../client/protocol/exec.ts';
import { SandboxId } from '../../client/protocol/names.ts';
import { GrantedEgress } from '../policy/egress-policy.ts';

const Text = z.string().max(512);

/** A decision as the egress process reports it, bounded. */
export const DecisionRecord = EgressDecision.omit({ execId: true }).extend({
  host: Text,
  address: Text.optional(),
  method: z.string().max(32).optional(),
  path: Text.optional(),
  reason: z.string().max(64),
  rule: Text,
  remedy: Text.optional(),
  execId: z.string().max(64).optional(),
});
export type DecisionRecord = z.infer<typeof DecisionRecord>;

export const EgressLimits = z.strictObject({
  /** Connections of one sandbox at once. */
  connections: z.int().min(1).max(4096),
  /** New requests of one sandbox per second, with bursts of twice that. */
  requestsPerSecond: z.int().min(1).max(100_000),
  /** Bytes that one sandbox may send, and receive, in its life. */
  bytesUp: z.int().min(0),
  bytesDown: z.int().min(0),
  /** Milliseconds without a byte after which a connection ends. */
  idleMs: z.int().min(100),
  /** Milliseconds after which a connection ends whatever it does. */
  lifetimeMs: z.int().min(1000),
});
export type EgressLimits = z.infer<typeof EgressLimits>;

/** What the sandbox holds only a placeholder of. */
export const HeaderSecret = z.strictObject({
  name: z.string().max(64),
  placeholder: z.string().min(16).max(256),
  /** Host patterns. */
  hosts: z.array(z.string().max(300)).max(64),
  /** Bytes as latin1. */
  value: z.string().min(1).max(16_384),
});
export type HeaderSecret = z.infer<typeof HeaderSecret>;

/** What a host is impersonated with towards a sandbox; PEM. */
export const Leaf = z.strictObject({ key: z.string().max(8192), certificates: z.string().max(32_768), untilMs: z.number() });
export type Leaf = z.infer<typeof Leaf>;

/** What the process counts of itself. */
export const EgressStatus = z.strictObject({
  rssBytes: z.number(),
  sandboxes: z.int(),
  connections: z.int(),
  attempts: z.int(),
  leaves: z.int(),
});
export type EgressStatus = z.infer<typeof EgressStatus>;

/** Messages that the process sends at once. */
export const MAX_TOGETHER = 64;
const MAX_ROOTS = 8 * 1024 * 1024;
const GIB = 1024 ** 3;

export const DEFAULT_EGRESS_LIMITS: EgressLimits = {
  connections: 64,
  requestsPerSecond: 100,
  bytesUp: 4 * GIB,
  bytesDown: 64 * GIB,
  idleMs: 60_000,
  lifetimeMs: 3_600_000,
};

export const ToEgress = z.discriminatedUnion('t', [
  z.strictObject({
    t: z.literal('configure'),
    identity: z.strictObject({ uid: z.int().min(1), gid: z.int().min(1) }),
    servers: z.array(z.strictObject({ address: z.string(), port: z.int() })).max(8),
    allowPrivate: z.array(z.string()).max(256),
    blocklistExtra: z.array(z.string()).max(100_000),
    limits: EgressLimits,
    /** PEM of the authorities whose word on a server is believed. */
    roots: z.string().max(MAX_ROOTS),
  }),
  /** What operators opened and closed, for all sandboxes from now on. */
  z.strictObject({
    t: z.literal('operator'),
    allowPrivate: z.array(z.string()).max(256),
    blocklistExtra: z.array(z.string()).max(100_000),
  }),
  /** Policy of a sandbox, new or changed, and what it has used before. */
  z.strictObject({
    t: z.literal('policy'),
    sandbox: SandboxId,
    policy: GrantedEgress,
    secrets: z.array(HeaderSecret).max(64),
    usedUp: z.number().min(0),
    usedDown: z.number().min(0),
  }),
  z.strictObject({ t: z.literal('forget'), call: z.int(), sandbox: SandboxId }),
  /** Comes with a socket. */
  z.strictObject({ t: z.literal('connection'), sandbox: SandboxId }),
  z.strictObject({ t: z.literal('flush'), call: z.int(), sandbox: SandboxId, execId: z.string() }),
  z.strictObject({ t: z.literal('explain'), call: z.int(), sandbox: SandboxId, url: z.string().max(4096) }),
  /** By a policy of no sandbox. */
  z.strictObject({ t: z.literal('explainPolicy'), call: z.int(), policy: GrantedEgress, url: z.string().max(4096) }),
  z.strictObject({ t: z.literal('status'), call: z.int() }),
  /** null: there is none for this host. */
  z.strictObject({ t: z.literal('leaf'), call: z.int(), leaf: Leaf.nullable() }),
  z.strictObject({ t: z.literal('answer'), call: z.int(), answer: z.enum(['allow-once', 'allow-session', 'deny', 'timeout', 'nobody']) }),
]);
export type ToEgress = z.infer<typeof ToEgress>;

export const FromEgress = z.discriminatedUnion('t', [
  /** Code is loaded; the configuration may come. */
  z.strictObject({ t: z.literal('loaded') }),
  /** Rights are dropped; connections may come. */
  z.strictObject({ t: z.literal('ready') }),
  z.strictObject({ t: z.literal('refused'), cause: z.string().max(1000) }),
  /** The socket of the last connection has arrived. */
  z.strictObject({ t: z.literal('taken') }),
  /** An attempt that is allowed and about to be dialled. */
  z.strictObject({ t: z.literal('started'), sandbox: SandboxId, attempt: z.int(), decision: DecisionRecord }),
  /** An attempt that is over. */
  z.strictObject({ t: z.literal('decision'), sandbox: SandboxId, attempt: z.int(), decision: DecisionRecord }),
  /** Attempts of the command that still go on, as they stand. */
  z.strictObject({ t: z.literal('flushed'), call: z.int(), open: z.array(DecisionRecord).max(128) }),
  /** Its connections are cut, and every attempt of it was told of before this. */
  z.strictObject({ t: z.literal('forgotten'), call: z.int() }),
  z.strictObject({ t: z.literal('explained'), call: z.int(), decision: DecisionRecord }),
  z.strictObject({ t: z.literal('status'), call: z.int(), status: EgressStatus }),
  z.strictObject({ t: z.literal('leafWanted'), call: z.int(), sandbox: SandboxId, host: Text }),
  z.strictObject({ t: z.literal('ask'), call: z.int(), sandbox: SandboxId, decision: DecisionRecord }),
]);
export type FromEgress = z.infer<typeof FromEgress>;

/** As they come over IPC: in the order they were told. */
export const FromEgressTogether = z.array(FromEgress).min(1).max(MAX_TOGETHER);
