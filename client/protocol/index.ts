// The public door of the wire contract: schemas, errors and frames. Imports zod and nothing else.

export { ConfirmAnswer, ConfirmRequest } from './confirm.ts';
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
export { FileEntry, FileKind, FileListing, FileStat } from './files.ts';
export { DEFAULT_LIMITS, Limits, LimitsRequest } from './limits.ts';
export { ExecId, Labels, Name, SandboxId, SessionName, StreamId, TenantName } from './names.ts';
export { Receipt } from './receipt.ts';
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
