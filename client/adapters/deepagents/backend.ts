// SandboxBackendProtocol v2 by the file verbs themselves: no program of the image is needed for them.

import type {
  DeleteResult,
  EditResult,
  ExecuteResponse,
  FileDownloadResponse,
  FileInfo,
  FileOperationError,
  FileUploadResponse,
  GlobResult,
  GrepResult,
  LsResult,
  ReadRawResult,
  ReadResult,
  SandboxBackendProtocolV2,
  WriteResult,
} from 'deepagents';
import { SandboxError } from '../../errors.ts';
import type { FileEntry } from '../../protocol/index.ts';
import type { Sandbox } from '../../sandbox.ts';
import { answerOf, type CommandOptions, commandOptions, forModel, told } from '../answer.ts';
import { below, inWorkspace, WORKSPACE } from '../workspace-path.ts';
import { mediaTypeOfName } from '../media-type.ts';

const MAX_LISTED = 10_000;
const MAX_READ_BYTES = 16 * 1024 * 1024;
const MAX_MATCHES = 1000;

/**
 * Absolute paths outside /workspace are taken from the workspace (`/notes.md` is `/workspace/notes.md`), because an agent
 * calls its root `/`; commands start in /workspace.
 * @example const agent = createDeepAgent({ model, backend: new CloisterBackend(sandbox) });
 */
export class CloisterBackend implements SandboxBackendProtocolV2 {
  readonly id: string;
  readonly #sandbox: Sandbox;
  readonly #options: CommandOptions;

  constructor(sandbox: Sandbox, options: CommandOptions = {}) {
    this.id = sandbox.id;
    this.#sandbox = sandbox;
    this.#options = options;
  }

  /** Each command is a shell of its own. Its output is standard output, then standard error. */
  async execute(command: string): Promise<ExecuteResponse> {
    const { stdout, stderr, exitCode, truncated } = answerOf(
      await told(() => this.#sandbox.exec(command, commandOptions(this.#options)).result),
    );
    const seam = stdout === '' || stderr === '' || stdout.endsWith('\n') ? '' : '\n';
    return { output: `${stdout}${seam}${stderr}`, exitCode, truncated };
  }

  async ls(path: string): Promise<LsResult> {
    return await orError(async () => {
      const directory = inWorkspace(path);
      const { entries } = await this.#sandbox.files.list(directory, { limit: MAX_LISTED });
      return { files: entries.map((entry) => infoOf(entry, directory)) };
    });
  }

  async read(path: string, offset = 0, limit = 500): Promise<ReadResult> {
    return await orError(async () => {
      const { content, mimeType } = await this.#contentOf(path);
      if (typeof content !== 'string') return { content, mimeType };
      const lines = content.split('\n');
      const totalLines = lines.at(-1) === '' ? lines.length - 1 : lines.length;
      if (offset > 0 && offset >= totalLines) return { error: `Line offset ${offset} exceeds file length (${totalLines} lines)` };
      const end = Math.min(offset + limit, totalLines);
      const part = lines.slice(offset, end === totalLines ? lines.length : end).join('\n');
      const next = end < totalLines ? { nextOffset: end } : {};
      return { content: part, mimeType, totalLines, startLine: offset + 1, endLine: end, ...next };
    });
  }

  async readRaw(path: string): Promise<ReadRawResult> {
    return await orError(async () => {
      const { modifiedAt } = await this.#sandbox.files.stat(inWorkspace(path));
      return { data: { ...(await this.#contentOf(path)), created_at: modifiedAt, modified_at: modifiedAt } };
    });
  }

  async write(path: string, content: string): Promise<WriteResult> {
    return await orError(async () => {
      await this.#sandbox.files.write(inWorkspace(path), content);
      return { path, filesUpdate: null };
    });
  }

  async edit(path: string, oldText: string, newText: string, replaceAll = false): Promise<EditResult> {
    return await orError(async () => {
      const { replacements } = await this.#sandbox.files.edit(inWorkspace(path), { oldText, newText, replaceAll });
      return { path, occurrences: replacements, filesUpdate: null };
    });
  }

  async delete(path: string): Promise<DeleteResult> {
    return await orError(async () => {
      await this.#sandbox.files.remove(inWorkspace(path), { recursive: true });
      return { path, filesUpdate: null };
    });
  }

  /** `pattern` is text and no expression. */
  async grep(pattern: string, path?: string | null, glob?: string | null, maxCount?: number | null): Promise<GrepResult> {
    return await orError(async () => {
      const options = { path: inWorkspace(path ?? '/'), literal: true, limit: maxCount ?? MAX_MATCHES, glob: glob ?? undefined };
      const { lines, truncated } = await this.#sandbox.files.grep(pattern, options);
      return { matches: lines.map(({ path, line, text }) => ({ path: `${WORKSPACE}/${path}`, line, text })), truncated };
    });
  }

  async glob(pattern: string, path = '/'): Promise<GlobResult> {
    return await orError(async () => {
      const options = { path: inWorkspace(path), limit: MAX_LISTED };
      const { entries, truncated } = await this.#sandbox.files.glob(pattern.replace(/^\/+/, ''), options);
      return { files: entries.map((entry) => infoOf(entry, WORKSPACE)), truncated };
    });
  }

  async uploadFiles(files: [string, Uint8Array][]): Promise<FileUploadResponse[]> {
    return await eachOf(files, async ([path, content]) => {
      const error = await failureOf(() => this.#sandbox.files.write(inWorkspace(path), content));
      return { path, error };
    });
  }

  async downloadFiles(paths: string[]): Promise<FileDownloadResponse[]> {
    return await eachOf(paths, async (path) => {
      let content: Uint8Array | null = null;
      const error = await failureOf(async () => {
        content = await this.#sandbox.files.read(inWorkspace(path));
      });
      return { path, content, error };
    });
  }

  async #contentOf(path: string): Promise<{ readonly content: string | Uint8Array; readonly mimeType: string }> {
    const bytes = await this.#sandbox.files.read(inWorkspace(path), { length: MAX_READ_BYTES + 1 });
    if (bytes.byteLength > MAX_READ_BYTES)
      throw new Error(`Cannot read ${path}: it is over ${MAX_READ_BYTES} bytes; read parts of it with a command`);
    const mimeType = mediaTypeOfName(path);
    if (mimeType !== null) return { content: bytes, mimeType };
    if (bytes.includes(0)) throw new Error(`Cannot read ${path}: it is a binary file; look into it with a command`);
    return { content: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'), mimeType: 'text/plain' };
  }
}

/** One after the other, each with an answer of its own. */
async function eachOf<T, R>(items: readonly T[], task: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (const item of items) answers.push(await task(item));
  return answers;
}

function infoOf({ path, kind, size, modifiedAt }: FileEntry, directory: string): FileInfo {
  const isDirectory = kind === 'directory';
  return { path: below(directory, isDirectory ? `${path}/` : path), is_dir: isDirectory, size, modified_at: modifiedAt };
}

async function orError<T extends object>(task: () => Promise<T>): Promise<T | { error: string }> {
  try {
    return await task();
  } catch (error) {
    return { error: forModel(error).message };
  }
}

async function failureOf(task: () => Promise<unknown>): Promise<FileOperationError | null> {
  try {
    await task();
    return null;
  } catch (error) {
    if (SandboxError.is(error, 'FILE_NOT_FOUND') || SandboxError.is(error, 'NOT_DIRECTORY')) return 'file_not_found';
    if (SandboxError.is(error, 'IS_DIRECTORY')) return 'is_directory';
    if (SandboxError.is(error, 'PERMISSION_DENIED') || SandboxError.is(error, 'FORBIDDEN')) return 'permission_denied';
    if (SandboxError.is(error, 'PATH_ESCAPES_WORKSPACE') || SandboxError.is(error, 'INVALID_REQUEST')) return 'invalid_path';
    throw error;
  }
}
