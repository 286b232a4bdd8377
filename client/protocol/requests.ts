// Every control message: operation -> schema of its parameters and of its result.

import { z } from 'zod';
import { ConfirmReply, ConfirmRequest } from './confirm.ts';
import { EgressProposal, EgressProposalRequest, PolicyExplain } from './egress.ts';
import { ERROR_CODES } from './errors.ts';
import { EgressDecision, ExecAttach, ExecInfo, ExecKill, ExecResize, ExecResult, ExecStart } from './exec.ts';
import { FILE_SEARCH_OPERATIONS } from './file-search.ts';
import {
  FileModes,
  FileStat,
  FilesChmod,
  FilesCopy,
  FilesMkdir,
  FilesMove,
  FilesRead,
  FilesReadlink,
  FilesRemove,
  FilesStat,
  FilesSymlink,
  FilesWrite,
} from './files.ts';
import { IMAGE_OPERATIONS } from './images.ts';
import { SandboxId, TenantName, TraceParent } from './names.ts';
import { ConfigChange, ConfigInForce, ConfirmList, ConfirmListResult } from './operate.ts';
import { PermissionsExplain, PermissionsExplained, PermissionsGet, PermissionsInForce } from './permissions.ts';
import { PortsUrl, PortsUrlResult } from './ports.ts';
import { ReportRequest, ReportResult } from './report.ts';
import { SecretsSet } from './secrets.ts';
import {
  EditResult,
  FilesEdit,
  FilesInsert,
  FilesPatch,
  FilesUndoEdit,
  FilesView,
  FileView,
  InsertResult,
  PatchResult,
  UndoResult,
} from './text.ts';
import {
  CloseRequest,
  EgressExplain,
  EgressInForce,
  EgressSet,
  ExtendRequest,
  ListRequest,
  OpenRequest,
  OpenResult,
  PauseRequest,
  SandboxInfo,
} from './session.ts';
import { WORKSPACE_OPERATIONS } from './workspace.ts';

export const Role = z.enum(['tenant', 'observer', 'operator']);
export type Role = z.infer<typeof Role>;

/** First message of a connection. The same clientId on a new connection resumes what the old one controlled. */
const HelloRequest = z.strictObject({
  protocol: z.int(),
  clientId: z.string().regex(/^[A-Za-z0-9_-]{22,64}$/, 'must be 22 to 64 characters of base64url, unguessable'),
  /** Milliseconds that foreground commands outlive this connection. */
  disconnectGraceMs: z.int().min(0).max(600_000).default(30_000),
  /** Of every call that says none of its own. */
  traceparent: TraceParent.optional(),
});
const HelloResult = z.strictObject({
  protocol: z.int(),
  daemonVersion: z.string(),
  /** Milliseconds between heartbeats; three missed ones end the connection. */
  heartbeatMs: z.int(),
  tenant: TenantName.nullable(),
  role: Role,
  /** Public key of receipts: Ed25519, SPKI in PEM. */
  receiptKey: z.string(),
});

const Nothing = z.strictObject({});
const ofSandbox = z.strictObject({ sandbox: SandboxId });

export const OPERATIONS = {
  hello: { params: HelloRequest, result: HelloResult },
  open: { params: OpenRequest, result: OpenResult },
  close: { params: CloseRequest, result: Nothing },
  list: { params: ListRequest, result: z.strictObject({ sandboxes: z.array(SandboxInfo) }) },
  extend: { params: ExtendRequest, result: SandboxInfo },
  pause: { params: PauseRequest, result: SandboxInfo },
  resume: { params: ofSandbox, result: SandboxInfo },
  'exec.start': { params: ExecStart, result: ExecResult },
  'exec.attach': { params: ExecAttach, result: ExecResult },
  'exec.kill': { params: ExecKill, result: Nothing },
  'exec.resize': { params: ExecResize, result: Nothing },
  'exec.list': { params: ofSandbox, result: z.strictObject({ execs: z.array(ExecInfo) }) },
  'files.read': { params: FilesRead, result: FileStat },
  'files.write': { params: FilesWrite, result: FileStat },
  ...FILE_SEARCH_OPERATIONS,
  'files.stat': { params: FilesStat, result: FileStat },
  'files.mkdir': { params: FilesMkdir, result: Nothing },
  'files.remove': { params: FilesRemove, result: z.strictObject({ removed: z.int() }) },
  'files.move': { params: FilesMove, result: Nothing },
  'files.copy': { params: FilesCopy, result: Nothing },
  'files.chmod': { params: FilesChmod, result: FileModes },
  'files.readlink': { params: FilesReadlink, result: z.strictObject({ target: z.string() }) },
  'files.symlink': { params: FilesSymlink, result: Nothing },
  'files.view': { params: FilesView, result: FileView },
  'files.edit': { params: FilesEdit, result: EditResult },
  'files.insert': { params: FilesInsert, result: InsertResult },
  'files.patch': { params: FilesPatch, result: PatchResult },
  'files.undoEdit': { params: FilesUndoEdit, result: UndoResult },
  'confirm.answer': { params: ConfirmReply, result: Nothing },
  'confirm.list': { params: ConfirmList, result: ConfirmListResult },
  'permissions.get': { params: PermissionsGet, result: PermissionsInForce },
  'permissions.explain': { params: PermissionsExplain, result: PermissionsExplained },
  'config.get': { params: Nothing, result: ConfigInForce },
  'config.reload': { params: Nothing, result: ConfigChange },
  'config.revert': { params: Nothing, result: ConfigChange },
  'egress.set': { params: EgressSet, result: EgressInForce },
  'egress.explain': { params: EgressExplain, result: EgressDecision },
  'egress.proposal': { params: EgressProposalRequest, result: EgressProposal },
  'policy.explain': { params: PolicyExplain, result: EgressDecision },
  'ports.url': { params: PortsUrl, result: PortsUrlResult },
  'secrets.set': { params: SecretsSet, result: Nothing },
  report: { params: ReportRequest, result: ReportResult },
  ...WORKSPACE_OPERATIONS,
  ...IMAGE_OPERATIONS,
} as const;

export type Operation = keyof typeof OPERATIONS;
/** Parameters as a client writes them: defaults left out. */
export type Params<O extends Operation> = z.input<(typeof OPERATIONS)[O]['params']>;
/** Parameters as the daemon reads them: defaults filled in. */
export type ParsedParams<O extends Operation> = z.output<(typeof OPERATIONS)[O]['params']>;
export type Result<O extends Operation> = z.output<(typeof OPERATIONS)[O]['result']>;

/** Client -> daemon. `params` is checked against the operation's own schema afterwards. */
export const RequestEnvelope = z.strictObject({
  id: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
  op: z.enum(Object.keys(OPERATIONS) as [Operation, ...Operation[]]),
  params: z.unknown(),
});

export const ErrorBody = z.strictObject({
  code: z.enum(ERROR_CODES),
  message: z.string(),
  retry: z.enum(['never', 'later', 'new-session']),
  hint: z.string(),
  retryAfterMs: z.int().optional(),
  requestId: z.string().optional(),
});
export type ErrorBody = z.infer<typeof ErrorBody>;

/** Daemon -> client: exactly one per request, or an event. */
export const ResponseEnvelope = z.union([
  z.strictObject({ id: z.int(), result: z.unknown() }),
  z.strictObject({ id: z.int(), error: ErrorBody }),
]);
export type ResponseEnvelope = z.infer<typeof ResponseEnvelope>;

/** Unasked news. `stream.gap`: bytes from..to of the combined output are no longer kept. */
export const EventEnvelope = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('stream.gap'), stream: z.int(), from: z.int(), to: z.int() }),
  z.strictObject({
    event: z.literal('session.ended'),
    sandbox: SandboxId,
    code: z.enum(['SESSION_EXPIRED', 'SANDBOX_FAILED']),
    reason: z.string(),
  }),
  z.strictObject({ event: z.literal('session.leaseLost'), sandbox: SandboxId }),
  z.strictObject({ event: z.literal('confirm.request'), request: ConfirmRequest }),
  z.strictObject({ event: z.literal('egress.decision'), sandbox: SandboxId, decision: EgressDecision }),
  z.strictObject({ event: z.literal('heartbeat') }),
]);
export type EventEnvelope = z.infer<typeof EventEnvelope>;
