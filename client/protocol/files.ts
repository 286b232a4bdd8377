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
  /** To the nanosecond, as far as the kernel says it. */
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

/** Why something was left out: `limit` entries or matches asked for; more than 64 levels; what could not be read or has no path
 * of 4096 bytes; rules of .gitignore files beyond 4096 or 128 KiB; matches of one file beyond `perFile`; lines told or
 * searched in parts; the time was up. */
export const Omission = z.enum(['limit', 'depth', 'unreadable', 'ignoreRules', 'perFile', 'longLines', 'time']);
export type Omission = z.infer<typeof Omission>;

/** What a listing or a search came to. */
export const WalkSummary = z.strictObject({
  /** Entries seen in the directories that were read. */
  total: z.int(),
  /** True: something was left out; `omitted` says why. */
  truncated: z.boolean(),
  omitted: z.array(Omission),
  /** Entries that were not looked into. */
  skipped: z.int(),
});
export type WalkSummary = z.infer<typeof WalkSummary>;

/** `entries` is empty where they went as a stream. */
export const FileListing = z.strictObject({ ...WalkSummary.partial({ omitted: true, skipped: true }).shape, entries: z.array(FileEntry) });
export type FileListing = z.infer<typeof FileListing>;

/** How many entries got their mode, and how many did not. */
export const FileModes = z.strictObject({ changed: z.int(), failed: z.int() });
export type FileModes = z.infer<typeof FileModes>;

/** Bytes come as data frames of `stream`; the response ends them. */
export const FilesRead = z.strictObject({
  ...target,
  stream: StreamId,
  offset: z.int().min(0).default(0),
  length: z.int().min(0).optional(),
  /** What the file must still be, as stat said it: for going on with a transfer. NO_MATCH if it is another or has changed. */
  ifUnchanged: z.strictObject({ inode: z.string().regex(/^\d{1,20}$/), size: z.int().min(0), modifiedAt: Timestamp }).optional(),
});
/** Bytes go as data frames of `stream` until one with EOF; the response says the file is in place. */
export const FilesWrite = z.strictObject({
  ...target,
  stream: StreamId,
  mode: Mode.optional(),
  append: z.boolean().default(false),
  /** Bytes that the file must have before an append. NO_MATCH if it has others. */
  at: z.int().min(0).optional(),
  /** An append that is cut short leaves what came of it, so that it can be gone on with. */
  keepPartial: z.boolean().optional(),
  exclusive: z.boolean().default(false),
  /** SHA-256 (hex) the present content must have. */
  ifMatch: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});
/** With `stream` the entries go as lines of JSON in its data frames. */
export const FilesList = z.strictObject({
  ...target,
  stream: StreamId.optional(),
  recursive: z.boolean().default(false),
  limit: z.int().min(1).max(1_000_000).default(1000),
  /** Goes on after this entry of an earlier listing. */
  after: FilePath.optional(),
  /** Passes over what .gitignore files name, and .git. */
  gitignore: z.boolean().optional(),
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
export const FilesChmod = z.strictObject({ ...target, mode: Mode, recursive: z.boolean().default(false) });
export const FilesReadlink = z.strictObject(target);
export const FilesSymlink = z.strictObject({ ...target, target: FilePath });
