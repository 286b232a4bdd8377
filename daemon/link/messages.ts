// The messages between the daemon and cloister-init in plain types.
// Owns their shapes; knows nothing of bytes (encode.ts, decode.ts) or of connections.

export type OutputStream = 'stdout' | 'stderr';

export interface StartCommand {
  /** At least one; passed to execve as it is. */
  readonly argv: readonly string[];
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute, as the sandbox sees it. */
  readonly cwd: string;
  /** `none` is /dev/null; ignored with a PTY. */
  readonly stdin: 'none' | 'pipe';
  readonly pty?: { readonly columns: number; readonly rows: number } | undefined;
  /** Milliseconds; 0: no limit. */
  readonly wallMs: number;
  /** Milliseconds without a byte of output; 0: no limit. */
  readonly idleMs: number;
  /** Milliseconds between SIGTERM and SIGKILL when a limit ends it. */
  readonly graceMs: number;
  /** oom_score_adj of all it starts, at most 1000; 0 or absent: init's own choice. */
  readonly oomScore?: number | undefined;
}

export interface KillCommand {
  /** `signal`: the leader's process group, no reason is recorded. `tree`: everything, until nothing is left. */
  readonly mode: 'signal' | 'tree';
  /** 1-64; of a tree the first one. */
  readonly signal: number;
  /** Milliseconds before SIGKILL; trees only. */
  readonly graceMs: number;
}

export const EXIT_REASONS = ['self', 'wall', 'idle', 'killed', 'supervisorLost', 'notStarted', 'pids'] as const;
export type ExitReason = (typeof EXIT_REASONS)[number];

export const START_STAGES = ['none', 'fork', 'cwd', 'pty', 'exec', 'table', 'pipe'] as const;
export type StartStage = (typeof START_STAGES)[number];

export interface ExitReport {
  /** As waitpid gives it. */
  readonly waitStatus: number;
  readonly reason: ExitReason;
  readonly isOomLike: boolean;
  /** errno of a command that did not start. */
  readonly error: number;
  readonly stage: StartStage;
  readonly outputBytes: number;
  readonly stderrBytes: number;
  readonly userUs: number;
  readonly systemUs: number;
  readonly maxRssKib: number;
  readonly durationUs: number;
  /** Descendants left. */
  readonly lingering: number;
}

export interface ExecStatus {
  readonly number: number;
  readonly state: 'running' | 'ended' | 'lingering';
  /** Output offset of the last credit init has. */
  readonly credited: number;
  /** Output offset reached so far. */
  readonly end: number;
}

/** What PID 1 found out about its own confinement: errno of calls that must be refused, 0 when one was not. */
export interface SelfReport {
  readonly mountErrno: number;
  readonly unshareErrno: number;
  readonly bpfErrno: number;
  readonly afAlgErrno: number;
  readonly ptraceErrno: number;
  /** Must be 1. */
  readonly pid: number;
  /** Text of /proc/self/status. */
  readonly procStatus: string;
}

export const FILE_OPS = {
  read: 1,
  write: 2,
  list: 3,
  stat: 4,
  mkdir: 5,
  remove: 6,
  move: 7,
  copy: 8,
  chmod: 9,
  readlink: 10,
  symlink: 11,
  hash: 12,
  grep: 13,
  watch: 14,
} as const;
export type FileOp = keyof typeof FILE_OPS;

export const FILE_FLAG = {
  parents: 1,
  append: 2,
  exclusive: 4,
  recursive: 8,
  noFollow: 16,
  /** Of list and grep: what .gitignore files name is passed over. */
  ignore: 32,
  /** Of list: directories are walked and not listed. */
  onlyFiles: 64,
  /** Of an append: the file has `offset` bytes. */
  at: 32,
  /** Of an append: what came of one that was cut short stays. */
  keep: 64,
  anywhere: 128,
} as const;

export interface FileRequest {
  readonly op: FileOp;
  /** Bits of FILE_FLAG. */
  readonly flags?: number | undefined;
  /** Relative to the workspace, normal; '' is the workspace. */
  readonly path: string;
  readonly path2?: string | undefined;
  /** Symlink target, SHA-256 that a write expects, identity that a read expects, or what a search looks for. */
  readonly extra?: Uint8Array | undefined;
  readonly mode?: number | undefined;
  readonly depth?: number | undefined;
  readonly offset?: number | undefined;
  readonly length?: number | undefined;
}

export interface FileEnd {
  /** 0: done. */
  readonly errno: number;
  readonly what: 'path' | 'path2' | 'component';
  /** What the op answers; a copy. */
  readonly body: Buffer;
}

export interface RawStat {
  /** One of f d l p s c b. */
  readonly kind: string;
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly inode: bigint;
  readonly links: number;
  readonly uid: number;
}

/** What the daemon does with one command's messages. Called in order; none may throw. */
export interface ExecEvents {
  started(pid: number): void;
  /** Contiguous: `offset` is where the bytes before ended. The bytes may be kept. */
  output(offset: number, stream: OutputStream, bytes: Buffer): void;
  /** Once, after the last byte of output. */
  exited(report: ExitReport): void;
  /** Stdin bytes taken so far; `isClosed`: the command reads no more. */
  stdinTaken(offset: number, isClosed: boolean): void;
  /** No descendant is left; after `exited`. */
  gone(): void;
  /** Of an adopted command that init still has: answers the offset from which output shall be sent again. */
  resumed(status: ExecStatus): number;
  /** Of an adopted command that init does not have: its START never arrived. */
  unknown(): void;
  /** The link is over; nothing follows. */
  lost(reason: string): void;
}
