// Looking at many files at once: glob, grep and watch. What they find goes as lines of JSON in the data frames of `stream`.

import { z } from 'zod';
import { FileListing, FilePath, FilesList, WalkSummary } from './files.ts';
import { SandboxId, StreamId } from './names.ts';

const GlobPattern = z.string().min(1).max(1000);
const GlobPatterns = z.union([GlobPattern, z.array(GlobPattern).min(1).max(50)]);
const search = {
  sandbox: SandboxId,
  path: FilePath.default('.'),
  stream: StreamId,
  /** Passes over what .gitignore files name, and .git. */
  gitignore: z.boolean().default(false),
  /** Milliseconds after which it ends with what it has. */
  timeoutMs: z.int().min(1).max(600_000).default(60_000),
};

/** Entries as FileEntry, with paths from the workspace, in the order of a listing. */
export const FilesGlob = z.strictObject({
  ...search,
  /** `*` and `?` stop at a slash, `**` as a component goes through directories; `[a-z]`, `{a,b}`; `!` before one excludes. */
  pattern: GlobPatterns,
  directories: z.boolean().default(false),
  limit: z.int().min(1).max(1_000_000).default(10_000),
  /** Goes on after this path of an earlier answer. */
  after: FilePath.optional(),
});

export const FilesGrep = z.strictObject({
  ...search,
  /** A regular expression without back-references and looking around, over single lines of UTF-8. */
  pattern: z.string().min(1).max(4096),
  /** The pattern is text. */
  literal: z.boolean().default(false),
  ignoreCase: z.boolean().default(false),
  /** Files to search; one without a slash counts in every directory. */
  glob: GlobPatterns.optional(),
  /** Lines of context before and after a match. */
  before: z.int().min(0).max(100).default(0),
  after: z.int().min(0).max(100).default(0),
  /** Matching lines. */
  limit: z.int().min(1).max(1_000_000).default(1000),
  /** Matching lines of one file. */
  perFile: z.int().min(1).optional(),
});

export const GrepLine = z.strictObject({
  /** From the workspace. */
  path: z.string(),
  /** From 1. */
  line: z.int(),
  /** Without its line end; at most 2048 bytes of it. */
  text: z.string(),
  isMatch: z.boolean(),
  /** Bytes of the whole line, where `text` is not all of it. */
  lineBytes: z.int().optional(),
});
export type GrepLine = z.infer<typeof GrepLine>;

export const GrepSummary = z.strictObject({
  ...WalkSummary.shape,
  /** Lines that matched, also those that were not sent. */
  matches: z.int(),
  /** Files that were searched. */
  files: z.int(),
  /** Of them, left alone from a NUL byte on. */
  binaryFiles: z.int(),
  /** Lines that were told or searched in parts only. */
  longLines: z.int(),
});
export type GrepSummary = z.infer<typeof GrepSummary>;

/** Lasts until the client stops the stream. */
export const FilesWatch = z.strictObject({
  sandbox: SandboxId,
  path: FilePath.default('.'),
  stream: StreamId,
  recursive: z.boolean().default(true),
});

/**
 * `ready`: from here on nothing is missed. `overflow`: events were lost, look again. `limit`: `path` and what is below it is
 * not watched, because there are more than 8192 directories. Changes of one file within 50 ms are one event.
 */
export const WatchEvent = z.strictObject({
  type: z.enum(['ready', 'create', 'change', 'delete', 'rename', 'overflow', 'limit']),
  /** From the workspace. */
  path: z.string(),
  /** The former path of a rename. */
  from: z.string().optional(),
  isDirectory: z.boolean(),
});
export type WatchEvent = z.infer<typeof WatchEvent>;

export const FILE_SEARCH_OPERATIONS = {
  'files.list': { params: FilesList, result: FileListing },
  'files.glob': { params: FilesGlob, result: WalkSummary },
  'files.grep': { params: FilesGrep, result: GrepSummary },
  'files.watch': { params: FilesWatch, result: z.strictObject({}) },
} as const;
