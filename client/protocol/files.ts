// File verbs. Paths are relative to the workspace or absolute under /workspace; everything runs inside the sandbox.

import { z } from 'zod';
import { SandboxId, StreamId, Timestamp } from './names.ts';

/** UTF-8; NUL and paths that lead out are refused by the daemon with their own codes. */
export const FilePath = z.string().max(4096);

const Mode = z.int().min(0).max(0o777);
const target = { sandbox: SandboxId, path: FilePath };

export const FileKind = z.enum(['file', 'directory', 'symlink', 'fifo', 'socket', 'device']);
export type FileKind = z.infer<typeof FileKind>;

export const FileStat = z.strictObject({
  kind: FileKind,
  /** Permission bits. */
  mode: z.int(),
  /** Bytes. */
  size: z.int(),
  modifiedAt: Timestamp,
  inode: z.string(),
  links: z.int(),
});
export type FileStat = z.infer<typeof FileStat>;

export const FileEntry = z.strictObject({
  ...FileStat.shape,
  /** Relative to the listed directory. */
  path: z.string(),
  symlinkTarget: z.string().optional(),
});
export type FileEntry = z.infer<typeof FileEntry>;

export const FileListing = z.strictObject({
  entries: z.array(FileEntry),
  /** Entries seen, at least. */
  total: z.int(),
  /** True: a limit cut the list. */
  truncated: z.boolean(),
});
export type FileListing = z.infer<typeof FileListing>;

/** Bytes come as data frames of `stream`; the response ends them. */
export const FilesRead = z.strictObject({
  ...target,
  stream: StreamId,
  offset: z.int().min(0).default(0),
  length: z.int().min(0).optional(),
});
/** Bytes go as data frames of `stream` until one with EOF; the response says the file is in place. */
export const FilesWrite = z.strictObject({
  ...target,
  stream: StreamId,
  mode: Mode.optional(),
  append: z.boolean().default(false),
  exclusive: z.boolean().default(false),
  /** SHA-256 (hex) the present content must have. */
  ifMatch: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});
export const FilesList = z.strictObject({
  ...target,
  recursive: z.boolean().default(false),
  limit: z.int().min(1).max(10_000).default(1000),
});
export const FilesStat = z.strictObject({ ...target, followSymlink: z.boolean().default(true) });
export const FilesMkdir = z.strictObject({ ...target, mode: Mode.optional(), parents: z.boolean().default(true) });
export const FilesRemove = z.strictObject({ ...target, recursive: z.boolean().default(false), force: z.boolean().default(false) });
export const FilesMove = z.strictObject({ ...target, to: FilePath, overwrite: z.boolean().default(false) });
export const FilesCopy = z.strictObject({
  ...target,
  to: FilePath,
  recursive: z.boolean().default(false),
  overwrite: z.boolean().default(false),
});
export const FilesChmod = z.strictObject({ ...target, mode: Mode });
export const FilesReadlink = z.strictObject(target);
export const FilesSymlink = z.strictObject({ ...target, target: FilePath });
