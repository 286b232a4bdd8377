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
  ChmodOptions,
  CopyOptions,
  GlobOptions,
  GlobResult,
  GrepOptions,
  GrepResult,
  ListOptions,
  MkdirOptions,
  MoveOptions,
  ReadFileOptions,
  RemoveOptions,
  SandboxFiles,
  StatOptions,
  WatchOptions,
  WriteFileOptions,
} from './files.ts';
export type { TransferOptions, TransferProgress } from './tree-progress.ts';
export type { DownloadOptions } from './tree-transfer.ts';
export type { DiffOptions, ForkOptions, SandboxWorkspace, UndoOptions } from './workspace.ts';
export { verifyReceipt } from './verify-receipt.ts';
export type { AddImageOptions, Images, ImageSource } from './images.ts';
export type { Operations } from './operations.ts';
export type { SandboxPermissions } from './permissions.ts';
export type { PortUrlOptions, SandboxPorts } from './ports.ts';
export type { UsageReport, UsageSums } from './report.ts';
export type { SandboxSecrets } from './secrets.ts';
export type { Shell, ShellRunOptions, ShellRunResult } from './shell.ts';
export type { InsertOptions, LineRange, PatchOptions, TextEdit } from './text-files.ts';
export type { OutputChunk } from './output-chunk.ts';
export type {
  AddedImage,
  ConfigChange,
  ConfigInForce,
  ConfirmRequest,
  EgressDecision,
  EgressEntry,
  EgressInForce,
  EgressPolicy,
  EgressProposal,
  EditResult,
  ExecInfo,
  ExecResult,
  FileChange,
  FileEntry,
  FileKind,
  FileListing,
  FileModes,
  FileStat,
  FileView,
  ImageFinding,
  ImageFindingName,
  ImageInfo,
  InsertResult,
  Limits,
  LimitsRequest,
  Note,
  Outcome,
  PatchResult,
  PermissionRule,
  PermissionsExplained,
  PermissionsInForce,
  PermissionsRequest,
  PolicyExplain,
  PtySize,
  Receipt,
  Role,
  SandboxInfo,
  SandboxState,
  Secret,
  SessionRole,
  Signal,
  UndoResult,
  TreeTransfer,
  WorkspaceDiff,
  WorkspaceFork,
  WorkspaceRetention,
  WorkspaceSnapshot,
  WorkspaceUndo,
  WorkspaceUsage,
} from './protocol/index.ts';
export type { CloseOptions, ExtendOptions, PauseOptions, Sandbox } from './sandbox.ts';
