// The text verbs of files: edit, insert, patch, view, undo, lines. Knows how to call them, not what they do.

import type { Connection } from './connection.ts';
import { SandboxError } from './errors.ts';
import type { EditResult, FileView, InsertResult, Operation, Params, PatchResult, Result, UndoResult } from './protocol/index.ts';

/** One exact replacement. */
export interface TextEdit {
  /** Must occur exactly once, unless `replaceAll`. */
  readonly oldText: string;
  readonly newText: string;
  readonly replaceAll?: boolean | undefined;
}

export interface LineRange {
  /** 1-based; the first unless given. */
  readonly startLine?: number | undefined;
  /** Inclusive; to the end unless given. */
  readonly endLine?: number | undefined;
}

export interface InsertOptions {
  /** The line after which the text goes; 0: at the top. */
  readonly line: number;
  readonly text: string;
}

export interface PatchOptions {
  /** The file, for a patch that has hunks and no file headers. */
  readonly path?: string | undefined;
}

interface TextHost {
  readonly connection: Connection;
  readonly failure: Error | undefined;
}

export class TextFiles {
  readonly #host: TextHost;
  readonly #sandbox: string;

  constructor(host: TextHost, sandbox: string) {
    this.#host = host;
    this.#sandbox = sandbox;
  }

  edit(path: string, edits: TextEdit | readonly TextEdit[]): Promise<EditResult> {
    const list = 'oldText' in edits ? [edits] : edits;
    return this.#call('files.edit', { sandbox: this.#sandbox, path, edits: list.map((edit) => ({ ...edit })) });
  }

  insert(path: string, options: InsertOptions): Promise<InsertResult> {
    return this.#call('files.insert', { sandbox: this.#sandbox, path, line: options.line, text: options.text });
  }

  patch(patch: string, options: PatchOptions = {}): Promise<PatchResult> {
    return this.#call('files.patch', { sandbox: this.#sandbox, patch, path: options.path });
  }

  view(path: string, range: LineRange = {}): Promise<FileView> {
    return this.#call('files.view', { sandbox: this.#sandbox, path, startLine: range.startLine, endLine: range.endLine });
  }

  undoEdit(path: string): Promise<UndoResult> {
    return this.#call('files.undoEdit', { sandbox: this.#sandbox, path });
  }

  /** Lines as they are; TOO_LARGE rather than fewer than asked for. */
  async lines(path: string, { startLine, endLine }: LineRange): Promise<string> {
    const view = await this.#call('files.view', { sandbox: this.#sandbox, path, startLine, endLine, numbered: false });
    const shown = JSON.stringify(path);
    if (view.kind === 'directory') throw new SandboxError('IS_DIRECTORY', `Cannot read ${shown}: it is a directory`);
    if (!view.truncated) return view.text;
    throw new SandboxError('TOO_LARGE', `Cannot read lines of ${shown}: not all of them fit an answer`, {
      hint:
        view.endLine > view.startLine
          ? `Ask for lines ${view.startLine} to ${view.endLine}, then for the next.`
          : 'The line is too long: use read with offset and length.',
    });
  }

  async #call<O extends Operation>(op: O, params: Params<O>): Promise<Result<O>> {
    if (this.#host.failure !== undefined) throw this.#host.failure;
    return await this.#host.connection.call(op, params);
  }
}

/** A whole file as text: UTF-16 where its byte order mark says so, else UTF-8. */
export function fileText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length % 2 === 0 && buffer.length >= 2) {
    if (buffer[0] === 0xff && buffer[1] === 0xfe) return buffer.toString('utf16le', 2);
    if (buffer[0] === 0xfe && buffer[1] === 0xff) return Buffer.from(buffer).swap16().toString('utf16le', 2);
  }
  return buffer.toString('utf8');
}
