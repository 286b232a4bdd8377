// Commands: what a client asks for and the one result that comes back.

import { z } from 'zod';
import { ExecId, Labels, SandboxId, StreamId, Timestamp, TraceParent } from './names.ts';

const MIB = 1024 * 1024;

/** Bytes of argv and environment together, names and terminators included. */
export const MAX_START_BYTES = 768 * 1024;

const Text = z.string().refine((text) => !text.includes('\0'), 'contains a NUL byte');

/** Names the loader, the shell or Node would obey before the command runs are refused. */
const FORBIDDEN_ENV = /^(LD_.*|GCONV_PATH|NODE_OPTIONS|BASH_ENV|ENV|GLIBC_TUNABLES|CLOISTER_.*)$/;

export const EnvName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,255}$/, 'is not an environment variable name')
  .refine((name) => !FORBIDDEN_ENV.test(name), 'is a name the loader, the shell or Cloister obeys');

export const Env = z.record(EnvName, Text.max(128 * 1024)).refine((env) => Object.keys(env).length <= 1024, 'at most 1024 variables');
export type Env = z.infer<typeof Env>;

/** A string runs under bash -c (sh -c without bash); an array is argv. */
export const Command = z.union([
  Text.min(1).max(256 * 1024),
  z
    .array(Text.max(128 * 1024))
    .min(1)
    .max(4096),
]);
export type Command = z.infer<typeof Command>;

export const PtySize = z.strictObject({ columns: z.int().min(1).max(1000), rows: z.int().min(1).max(1000) });
export type PtySize = z.infer<typeof PtySize>;

export const Signal = z.enum([
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGKILL',
  'SIGUSR1',
  'SIGUSR2',
  'SIGPIPE',
  'SIGALRM',
  'SIGTERM',
  'SIGCONT',
  'SIGSTOP',
  'SIGTSTP',
  'SIGWINCH',
]);
export type Signal = z.infer<typeof Signal>;

export const ExecStart = z.strictObject({
  sandbox: SandboxId,
  execId: ExecId,
  /** Output and stdin travel on this stream; without it only the result comes back. */
  stream: StreamId.optional(),
  command: Command,
  /** Relative to the workspace, or absolute under /workspace. */
  cwd: Text.max(4096).optional(),
  env: Env.optional(),
  /** Names of secrets of the session that it gets in its environment. */
  secrets: z.array(EnvName).max(32).optional(),
  /** `pipe`: data frames of the stream until one with EOF. */
  stdin: z.enum(['none', 'pipe']).default('none'),
  timeoutMs: z.int().min(1).max(0x7fff_ffff).optional(),
  idleTimeoutMs: z.int().min(1).max(0x7fff_ffff).optional(),
  outputBytes: z
    .int()
    .min(1024)
    .max(1024 * 1024 * MIB)
    .optional(),
  outputPolicy: z.enum(['drop', 'stop']).default('drop'),
  /** Answer with outcome `running` after this time; go on with exec.attach. */
  yieldMs: z.int().min(0).max(3_600_000).optional(),
  background: z.boolean().default(false),
  /** Snapshot the workspace first; the result then lists what the command changed, and it can be undone. */
  checkpoint: z.boolean().default(false),
  pty: PtySize.optional(),
  labels: Labels.optional(),
  traceparent: TraceParent.optional(),
});
export type ExecStart = z.infer<typeof ExecStart>;

export const ExecAttach = z.strictObject({
  sandbox: SandboxId,
  execId: ExecId,
  stream: StreamId.optional(),
  /** Offset in the combined output to go on from. */
  offset: z.int().min(0).default(0),
  yieldMs: z.int().min(0).max(3_600_000).optional(),
});
export type ExecAttach = z.infer<typeof ExecAttach>;

/** Without a signal the whole tree is ended: SIGTERM, a grace period, SIGKILL until nothing is left. */
export const ExecKill = z.strictObject({ sandbox: SandboxId, execId: ExecId, signal: Signal.optional() });
export const ExecResize = z.strictObject({ sandbox: SandboxId, execId: ExecId, size: PtySize });

export const EgressDecision = z.strictObject({
  at: Timestamp,
  host: z.string(),
  port: z.int(),
  address: z.string().optional(),
  method: z.string().optional(),
  path: z.string().optional(),
  verdict: z.enum(['allow', 'deny']),
  reason: z.string(),
  rule: z.string(),
  remedy: z.string().optional(),
  bytesUp: z.int(),
  bytesDown: z.int(),
  ms: z.number(),
  execId: ExecId.optional(),
});
export type EgressDecision = z.infer<typeof EgressDecision>;

export const FileChange = z.strictObject({
  path: z.string(),
  kind: z.enum(['created', 'changed', 'deleted']),
  bytes: z.int(),
  sha256: z.string().optional(),
  /** Absent: a regular file. */
  type: z.enum(['file', 'directory', 'symlink', 'fifo', 'socket', 'device']).optional(),
});
export type FileChange = z.infer<typeof FileChange>;

export const Note = z.strictObject({
  code: z.enum([
    'workspaceFull',
    'oomKill',
    'supervisorLost',
    'pidsLimit',
    'tmpFull',
    'secretsRedacted',
    'egressDenied',
    'outputTruncated',
    'processesLeft',
    /** More was changed than `changes` lists. */
    'changesTruncated',
    /** What a command with a checkpoint changed could not be found out. */
    'changesUnknown',
  ]),
  detail: z.string().optional(),
});
export type Note = z.infer<typeof Note>;

export const Outcome = z.enum([
  'exited',
  'signalled',
  'timedOut',
  'idleTimedOut',
  'oomKilled',
  'running',
  'outputCapped',
  'killed',
  'denied',
  'lost',
]);
export type Outcome = z.infer<typeof Outcome>;

export const ExecResult = z.strictObject({
  id: ExecId,
  outcome: Outcome,
  exitCode: z.int().nullable(),
  /** Of `signalled`: the signal's name. */
  signal: z.string().nullable(),
  /** Of `killed`: who ended it: `caller`, `disconnect`, `operator:NAME`, `session:close` or `cloister:CAUSE`. */
  by: z.string().optional(),
  reason: z.string().optional(),
  rule: z.string().optional(),
  remedy: z.string().optional(),
  /** At most 40,000 characters each, head and tail, the omission stated. */
  stdout: z.string(),
  stderr: z.string(),
  droppedBytes: z.strictObject({ stdout: z.int(), stderr: z.int() }),
  /** Offset in the combined output up to which this result speaks. */
  nextOffset: z.int(),
  durationMs: z.number(),
  cpuMs: z.number(),
  maxRssBytes: z.int(),
  egress: z.array(EgressDecision),
  changes: z.array(FileChange).optional(),
  notes: z.array(Note),
});
export type ExecResult = z.infer<typeof ExecResult>;

/** What an operator sees of a command. */
export const ExecInfo = z.strictObject({
  id: ExecId,
  command: Command,
  state: z.enum(['running', 'ended']),
  outcome: Outcome.optional(),
  startedAt: Timestamp,
  background: z.boolean(),
});
export type ExecInfo = z.infer<typeof ExecInfo>;
