// The public door of the wire contract: schemas, errors and frames. Imports zod and nothing else.

export { ConfirmAnswer, ConfirmRequest } from './confirm.ts';
export { EgressEntry, EgressMethod, EgressProposal, PolicyExplain } from './egress.ts';
export { ERROR_CODES, ERROR_TABLE, SandboxError, type ErrorCode, type Retry, type SandboxErrorOptions } from './errors.ts';
export {
  BEARER_PREFIX,
  CLOSE_CODE,
  decodeFrame,
  encodeFrame,
  FLAG_EOF,
  FLAG_STDERR,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  INITIAL_WINDOW,
  REPEATED_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_PAYLOAD_BYTES,
  PROTOCOL_VERSION,
  SUBPROTOCOL,
  writeFrameHeader,
  type BinaryFrame,
  type FrameKind,
} from './frames.ts';
export {
  Command,
  EgressDecision,
  Env,
  ExecAttach,
  ExecInfo,
  ExecKill,
  ExecResult,
  ExecStart,
  FileChange,
  MAX_START_BYTES,
  Note,
  Outcome,
  PtySize,
  Signal,
} from './exec.ts';
export { FileEntry, FileKind, FileListing, FileModes, FileStat, Omission, WalkSummary } from './files.ts';
export { GrepLine, GrepSummary, WatchEvent } from './file-search.ts';
export { AddedImage, IMAGE_FINDINGS, ImageFinding, ImageFindingName, ImageInfo, ImageProgress, MAX_CONTEXT_BYTES } from './images.ts';
export { DEFAULT_LIMITS, Limits, LimitsRequest } from './limits.ts';
export { ExecId, Labels, Name, SandboxId, SessionName, StreamId, TenantName } from './names.ts';
export { EditResult, FileView, InsertResult, PatchResult, UndoResult, type NewlineStyle, type TextEncodingName } from './text.ts';
export { ConfigChange, ConfigInForce } from './operate.ts';
export { PermissionRule, PermissionsExplained, PermissionsInForce, PermissionsRequest } from './permissions.ts';
export { Receipt } from './receipt.ts';
export { Secret } from './secrets.ts';
export {
  ErrorBody,
  EventEnvelope,
  OPERATIONS,
  RequestEnvelope,
  ResponseEnvelope,
  Role,
  type Operation,
  type Params,
  type ParsedParams,
  type Result,
} from './requests.ts';
export {
  EgressInForce,
  EgressPolicy,
  OpenRequest,
  OpenResult,
  SandboxInfo,
  SandboxState,
  SessionRole,
  WorkspaceRetention,
} from './session.ts';
export { TreeTransfer, WorkspaceDiff, WorkspaceFork, WorkspaceSnapshot, WorkspaceUndo, WorkspaceUsage } from './workspace.ts';
