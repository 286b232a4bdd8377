// Text verbs of files: lines, exact edits, patches. Lines are 1-based and end with LF or CRLF; limits are stated here.

import { z } from 'zod';
import { FileEntry, FilePath, FileStat } from './files.ts';
import { SandboxId } from './names.ts';

/** Bytes of a file that edit, insert and patch take; larger ones are rewritten by a command or by write. */
export const MAX_TEXT_FILE_BYTES = 4 * 1024 * 1024;
/** Bytes of text in one answer of view, as JSON. */
export const MAX_VIEW_BYTES = 256 * 1024;
/** Bytes of a file that are searched for a line. */
export const MAX_VIEW_SCAN_BYTES = 256 * 1024 * 1024;
/** Characters of one text in an edit. */
const MAX_EDIT_CHARACTERS = 256 * 1024;
const MAX_PATCH_CHARACTERS = 1_000_000;
const MAX_EDITS = 100;
/** Places listed of one edit; `replacements` counts all. */
export const MAX_PLACES = 20;

const target = { sandbox: SandboxId, path: FilePath };
const Line = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Of the bytes on disk. `utf-16*` needs a byte order mark; `latin-1` is what has no NUL and is not UTF-8. */
const TextEncodingName = z.enum(['utf-8', 'utf-8-bom', 'utf-16le', 'utf-16be', 'latin-1']);
export type TextEncodingName = z.infer<typeof TextEncodingName>;

/** How its lines end; `none`: it has one line at most. */
const NewlineStyle = z.enum(['lf', 'crlf', 'mixed', 'none']);
export type NewlineStyle = z.infer<typeof NewlineStyle>;

export const FilesView = z.strictObject({
  ...target,
  startLine: Line.optional(),
  /** Inclusive; to the end of the file unless given. */
  endLine: Line.optional(),
  /** Lines with their numbers, or the text as it is. */
  numbered: z.boolean().default(true),
});
export const FileView = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('file'),
    text: z.string(),
    startLine: z.int(),
    /** Last line given; startLine - 1: none. */
    endLine: z.int(),
    /** null: the end of the file was not reached. */
    totalLines: z.int().nullable(),
    encoding: TextEncodingName,
    /** Of the lines given. */
    newline: NewlineStyle,
    /** True: the answer's limit left out the rest of what was asked for. */
    truncated: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal('directory'),
    /** One line per entry, directories with a slash. */
    text: z.string(),
    /** Two levels deep, without hidden entries. */
    entries: z.array(FileEntry),
    truncated: z.boolean(),
  }),
]);
export type FileView = z.infer<typeof FileView>;

export const TextEdit = z.strictObject({
  /** Must occur exactly once, or be meant everywhere by `replaceAll`. */
  oldText: z.string().max(MAX_EDIT_CHARACTERS),
  newText: z.string().max(MAX_EDIT_CHARACTERS),
  replaceAll: z.boolean().default(false),
});
export type TextEdit = z.infer<typeof TextEdit>;

/** Edits apply in order, each to what the one before left; all are written at once, or none. */
export const FilesEdit = z.strictObject({ ...target, edits: z.array(TextEdit).min(1).max(MAX_EDITS) });
export const EditResult = z.strictObject({
  replacements: z.int(),
  /** One per edit: how often it matched, and the first lines where, as it found the text. */
  edits: z.array(z.strictObject({ replacements: z.int(), lines: z.array(z.int()) })),
  encoding: TextEncodingName,
  sha256: Sha256,
  stat: FileStat,
});
export type EditResult = z.infer<typeof EditResult>;

/** After line `line`; 0: at the top. */
export const FilesInsert = z.strictObject({
  ...target,
  line: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
  text: z.string().max(MAX_EDIT_CHARACTERS),
});
export const InsertResult = z.strictObject({
  startLine: z.int(),
  endLine: z.int(),
  totalLines: z.int(),
  sha256: Sha256,
  stat: FileStat,
});
export type InsertResult = z.infer<typeof InsertResult>;

/** `path`: of what has no file headers. */
export const FilesPatch = z.strictObject({
  sandbox: SandboxId,
  patch: z.string().min(1).max(MAX_PATCH_CHARACTERS),
  path: FilePath.optional(),
});
export const PatchResult = z.strictObject({
  files: z.array(
    z.strictObject({
      path: z.string(),
      /** Its former path. */
      from: z.string().optional(),
      action: z.enum(['created', 'changed', 'deleted', 'renamed', 'unchanged']),
      hunks: z.int(),
      added: z.int(),
      removed: z.int(),
      /** Lines that the farthest hunk lay away from where the patch had it. */
      offset: z.int(),
      /** Context lines given up at either end, at most 2; in V4A 1 stands for white space that differed. */
      fuzz: z.int(),
    }),
  ),
});
export type PatchResult = z.infer<typeof PatchResult>;

export const FilesUndoEdit = z.strictObject(target);
export const UndoResult = z.strictObject({
  path: z.string(),
  /** What undoing did to the file. */
  action: z.enum(['restored', 'removed', 'recreated']),
});
export type UndoResult = z.infer<typeof UndoResult>;
