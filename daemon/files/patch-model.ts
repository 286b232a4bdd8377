// What a patch says, whatever it was written in: files and hunks. Also its refusal, and the bound on the work it may cause.

import { SandboxError } from '../../client/protocol/errors.ts';

export interface PatchLine {
  readonly kind: 'context' | 'old' | 'new';
  /** Without its newline; may end in CR. */
  readonly text: string;
  /** False: the patch says that this line ends the file without a newline. */
  readonly hasNewline: boolean;
}

export interface Hunk {
  /** 1-based first line of the old text; null: the text is searched from the hunk before on. */
  readonly oldStart: number | null;
  /** Lines to find first, in order, as `@@ class Shape`. */
  readonly anchors: readonly string[];
  /** The hunk ends the file. */
  readonly isAtEnd: boolean;
  readonly lines: readonly PatchLine[];
}

export interface FilePatch {
  readonly action: 'create' | 'change' | 'delete';
  readonly path: string;
  /** Where plain headers name two files that are not a rename: the one to take if `path` does not exist. */
  readonly otherPath?: string;
  /** New path of a rename. */
  readonly to?: string;
  /** Permission bits it gets. */
  readonly mode?: number;
  readonly dialect: 'unified' | 'v4a';
  readonly hunks: readonly Hunk[];
}

export const MAX_PATCH_FILES = 200;
export const MAX_PATCH_LINES = 100_000;
/** Lines of a file that a patch changes. */
export const MAX_PATCHED_LINES = 200_000;

export function malformed(line: number, cause: string): SandboxError {
  return new SandboxError('INVALID_REQUEST', `Cannot read the patch: line ${line}: ${cause}`, {
    hint: 'Send a unified diff with file headers, or V4A from *** Begin Patch; for hunks alone name the file with path.',
  });
}

const FREE_STEPS = 200_000;
/** A hunk that fits nowhere is looked for six times: with three sets of context, with and without line ends. */
const STEPS_PER_LINE = 8;

/** Comparisons that applying a patch may take: in proportion to what is read and sent, so that no patch costs more than its size. */
export class PatchEffort {
  #left: number;

  constructor(lines: number) {
    this.#left = FREE_STEPS + STEPS_PER_LINE * lines;
  }

  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left >= 0) return;
    throw new SandboxError('TOO_LARGE', 'Cannot apply the patch: finding its places takes too long', {
      hint: 'Send fewer hunks at once, with line numbers and lines that occur once.',
    });
  }

  grow(lines: number): void {
    this.#left += STEPS_PER_LINE * lines;
  }
}
