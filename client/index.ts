// The public door of the client library.

export {
  Cloister,
  type ConnectOptions,
  type ListSandboxesOptions,
  type OpenOptions,
  type ReconnectOptions,
} from './client.ts';
export { ClientError, SandboxError, type ClientErrorCode, type ErrorCode, type Retry } from './errors.ts';
export type { AttachOptions, Data, ExecOptions, OutputCallback, ReadOptions, Stdin } from './exec-options.ts';
export type { SandboxEgress } from './egress.ts';
export type { Execution } from './execution.ts';
export type {
  CopyOptions,
  ListOptions,
  MkdirOptions,
  MoveOptions,
  ReadFileOptions,
  RemoveOptions,
  SandboxFiles,
  StatOptions,
  WriteFileOptions,
} from './files.ts';
export { verifyReceipt } from './verify-receipt.ts';
export type { PortUrlOptions, SandboxPorts } from './ports.ts';
export type { Shell, ShellRunOptions, ShellRunResult } from './shell.ts';
export type { OutputChunk } from './output-chunk.ts';
export type {
  ConfirmRequest,
  EgressDecision,
  EgressInForce,
  EgressPolicy,
  ExecInfo,
  ExecResult,
  FileChange,
  FileEntry,
  FileKind,
  FileListing,
  FileStat,
  Limits,
  LimitsRequest,
  Note,
  Outcome,
  PtySize,
  Receipt,
  Role,
  SandboxInfo,
  SandboxState,
  SessionRole,
  Signal,
  WorkspaceRetention,
} from './protocol/index.ts';
export type { CloseOptions, ExtendOptions, Sandbox } from './sandbox.ts';
