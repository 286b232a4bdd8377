// The workspace of a session as a whole: usage, snapshots, forks, what changed and taking it back.

import { z } from 'zod';
import { FileChange } from './exec.ts';
import { FilePath } from './files.ts';
import { ExecId, Name, SandboxId, SessionName, StreamId, Timestamp } from './names.ts';
import { OpenResult } from './session.ts';

/** Snapshots of this form are checkpoints of commands; nobody may name one so. */
export const CHECKPOINT_PREFIX = 'checkpoint.';
/** Snapshots and checkpoints of one workspace. */
export const MAX_SNAPSHOTS = 16;
/** Changes that one answer lists. */
export const MAX_CHANGES = 1000;

const ofSandbox = { sandbox: SandboxId };
const ownName = Name.refine((name) => !name.startsWith(CHECKPOINT_PREFIX), `must not begin with ${CHECKPOINT_PREFIX}`);

export const WorkspaceUsage = z.strictObject({
  /** `btrfs`, `directory` or `host`. */
  store: z.string(),
  /** Bytes, as the quota counts them. */
  usedBytes: z.int(),
  /** Hard limit in bytes; null: none is enforced. */
  maxBytes: z.int().nullable(),
  /** Snapshots and checkpoints. */
  snapshots: z.int(),
});
export type WorkspaceUsage = z.infer<typeof WorkspaceUsage>;

export const WorkspaceSnapshot = z.strictObject({
  name: z.string(),
  createdAt: Timestamp,
  /** Of a checkpoint: the command it was taken for. */
  execId: ExecId.optional(),
});
export type WorkspaceSnapshot = z.infer<typeof WorkspaceSnapshot>;

export const WorkspaceDiff = z.strictObject({
  /** Sorted by path. A directory is listed for itself only where nothing in it is. */
  changes: z.array(FileChange),
  /** Changes there are; more than listed where `truncated`. */
  total: z.int(),
  truncated: z.boolean(),
});
export type WorkspaceDiff = z.infer<typeof WorkspaceDiff>;

export const WorkspaceUndo = z.strictObject({
  ...WorkspaceDiff.shape,
  /** Paths that could not be taken back: FIFOs and sockets, and names that are not UTF-8. At most 100. */
  skipped: z.array(z.string()),
});
export type WorkspaceUndo = z.infer<typeof WorkspaceUndo>;

export const WorkspaceFork = z.strictObject({ session: SessionName, workspace: z.string() });
export type WorkspaceFork = z.infer<typeof WorkspaceFork>;

const WorkspaceOf = z.strictObject(ofSandbox);
const WorkspaceSnapshotRequest = z.strictObject({ ...ofSandbox, name: ownName });
const WorkspaceSnapshotOf = z.strictObject({ ...ofSandbox, name: Name });
/** `snapshot` absent: the workspace as it is now. */
const WorkspaceForkRequest = z.strictObject({ ...ofSandbox, session: SessionName, snapshot: Name.optional() });
/** `since`: a snapshot's name. */
const WorkspaceDiffRequest = z.strictObject({
  ...ofSandbox,
  since: Name,
  limit: z.int().min(1).max(MAX_CHANGES).default(MAX_CHANGES),
});
const WorkspaceUndoRequest = z.strictObject({
  ...ofSandbox,
  execId: ExecId,
  /** Also what was changed again since. */
  overwrite: z.boolean().default(false),
});

/** A tar archive in data frames of the stream, until one with EOF; no compression. */
const FilesUpload = z.strictObject({ ...ofSandbox, path: FilePath, stream: StreamId });
/** A tar archive comes as data frames of the stream; the response ends it. */
const FilesDownload = z.strictObject({ ...ofSandbox, path: FilePath, stream: StreamId });

export const TreeTransfer = z.strictObject({
  files: z.int(),
  directories: z.int(),
  symlinks: z.int(),
  /** Of the files' content. */
  bytes: z.int(),
  /** Entries left out, because they are no file, directory or symlink that stays inside. */
  skipped: z.int(),
  /** The first 100 of them. */
  skippedPaths: z.array(z.string()),
});
export type TreeTransfer = z.infer<typeof TreeTransfer>;

const Nothing = z.strictObject({});

export const WORKSPACE_OPERATIONS = {
  'workspace.usage': { params: WorkspaceOf, result: WorkspaceUsage },
  'workspace.snapshot': { params: WorkspaceSnapshotRequest, result: WorkspaceSnapshot },
  'workspace.snapshots': { params: WorkspaceOf, result: z.strictObject({ snapshots: z.array(WorkspaceSnapshot) }) },
  'workspace.deleteSnapshot': { params: WorkspaceSnapshotOf, result: Nothing },
  'workspace.restore': { params: WorkspaceSnapshotOf, result: OpenResult },
  'workspace.fork': { params: WorkspaceForkRequest, result: WorkspaceFork },
  'workspace.diff': { params: WorkspaceDiffRequest, result: WorkspaceDiff },
  'workspace.undo': { params: WorkspaceUndoRequest, result: WorkspaceUndo },
  'files.upload': { params: FilesUpload, result: TreeTransfer },
  'files.download': { params: FilesDownload, result: TreeTransfer },
} as const;
