// What a patch would make of the files, worked out in memory before anything is written. A patch that does not fit one
// file is refused whole, with every file that it does not fit.

import { SandboxError } from '../../client/protocol/errors.ts';
import { MAX_TEXT_FILE_BYTES, type PatchResult, type TextEncodingName } from '../../client/protocol/text.ts';
import { applyHunks } from './patch-apply.ts';
import { type FilePatch, MAX_PATCHED_LINES, PatchEffort } from './patch-model.ts';
import { binaryRefusal, decodeText, encodeText } from './text-encoding.ts';
import { countLines } from './text-lines.ts';
import type { ContentOnDisk } from './text-store.ts';
import { shown, workspacePath } from './workspace-path.ts';

const MAX_FAILURES = 10;
const MAX_BYTES = 32 * 1024 * 1024;

export interface NewContent {
  readonly bytes: Buffer;
  /** Of a new file; absent: 0644. */
  readonly mode?: number | undefined;
}

/** One file before and after; null: not there. */
export interface PlannedFile {
  readonly path: string;
  readonly before: ContentOnDisk | null;
  after: NewContent | null;
}

export interface PatchPlan {
  /** By path; a rename is two of them. */
  readonly files: readonly PlannedFile[];
  readonly report: PatchResult['files'];
}

/** `read` answers null where no file is. */
export async function planPatch(
  patches: readonly FilePatch[],
  patchLines: number,
  read: (path: string) => Promise<ContentOnDisk | null>,
): Promise<PatchPlan> {
  const planning = new Planning(read, patchLines);
  const failures: SandboxError[] = [];
  const report: PatchResult['files'] = [];
  for (const patch of patches) {
    try {
      report.push(await planning.add(patch));
    } catch (error) {
      if (!SandboxError.is(error) || error.code === 'SANDBOX_FAILED' || error.code === 'TOO_LARGE') throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first === undefined) return { files: [...planning.files.values()], report };
  const told = failures.slice(0, MAX_FAILURES).map(({ message }) => message.replace(/^Cannot patch /, ''));
  const more = failures.length > told.length ? `; and ${failures.length - told.length} more` : '';
  throw new SandboxError(
    first.code,
    `Cannot patch ${failures.length} of ${patches.length} files, nothing was written: ${told.join('; ')}${more}`,
    {
      hint: first.hint,
    },
  );
}

class Planning {
  readonly files = new Map<string, PlannedFile>();
  readonly #read: (path: string) => Promise<ContentOnDisk | null>;
  readonly #effort: PatchEffort;
  #bytes = 0;

  constructor(read: (path: string) => Promise<ContentOnDisk | null>, patchLines: number) {
    this.#read = read;
    this.#effort = new PatchEffort(patchLines);
  }

  async add(patch: FilePatch): Promise<PatchResult['files'][number]> {
    if (patch.action === 'create') return this.#create(patch);
    let file = await this.#file(patch.path);
    if (file.after === null && patch.otherPath !== undefined) file = await this.#file(patch.otherPath);
    const { after } = file;
    if (after === null)
      throw new SandboxError('FILE_NOT_FOUND', `Cannot patch ${shown(patch.path)}: there is no such file`, {
        hint: 'Check the path, relative to the workspace; a new file has --- /dev/null or *** Add File.',
      });
    if (patch.action === 'delete') return this.#delete(patch, file, after);
    const changed = patch.hunks.length === 0 ? { bytes: after.bytes, ...NOTHING } : this.#apply(patch, file.path, after.bytes);
    const next: NewContent = { bytes: changed.bytes, mode: patch.mode ?? after.mode };
    const { bytes: _, ...counts } = changed;
    const row = { hunks: patch.hunks.length, ...counts };
    if (patch.to !== undefined && workspacePath(patch.to) !== file.path) {
      const target = await this.#file(patch.to);
      if (target.after !== null) throw exists(patch.to);
      [target.after, file.after] = [next, null];
      return { path: target.path, from: file.path, action: 'renamed', ...row };
    }
    const isSame = changed.bytes.equals(after.bytes) && next.mode === after.mode;
    file.after = next;
    return { path: file.path, action: isSame ? 'unchanged' : 'changed', ...row };
  }

  async #create(patch: FilePatch): Promise<PatchResult['files'][number]> {
    const file = await this.#file(patch.path);
    if (file.after !== null) throw exists(patch.path);
    const made = this.#apply(patch, file.path, Buffer.alloc(0));
    file.after = { bytes: made.bytes, mode: patch.mode };
    return { path: file.path, action: 'created', hunks: patch.hunks.length, added: made.added, removed: 0, offset: 0, fuzz: 0 };
  }

  #delete(patch: FilePatch, file: PlannedFile, after: NewContent): PatchResult['files'][number] {
    const row = { path: file.path, action: 'deleted' as const, hunks: patch.hunks.length };
    if (patch.dialect === 'unified') {
      const left = patch.hunks.length === 0 ? { bytes: after.bytes, ...NOTHING } : this.#apply(patch, file.path, after.bytes);
      if (left.bytes.length > 0) throw mismatch(file.path, 'the file has more than the patch deletes');
      file.after = null;
      return { ...row, added: 0, removed: left.removed, offset: left.offset, fuzz: left.fuzz };
    }
    file.after = null;
    return { ...row, ...NOTHING };
  }

  #apply(patch: FilePatch, path: string, bytes: Buffer): { readonly bytes: Buffer } & typeof NOTHING {
    const decoded = bytes.length === 0 ? { text: '', encoding: 'utf-8' satisfies TextEncodingName as TextEncodingName } : decodeText(bytes);
    if (decoded === null) throw binaryRefusal('patch', path);
    if (countLines(decoded.text) > MAX_PATCHED_LINES)
      throw new SandboxError('TOO_LARGE', `Cannot patch ${shown(path)}: it has more than ${MAX_PATCHED_LINES} lines`, {
        hint: 'Change it with files.edit, or with patch in the sandbox.',
      });
    const applied = applyHunks(decoded.text, patch.hunks, this.#effort);
    if (applied.verdict === 'mismatch') throw mismatch(path, applied.reason);
    const result = encodeText(applied.text, decoded.encoding, path);
    this.#count(result.length);
    if (result.length > MAX_TEXT_FILE_BYTES)
      throw new SandboxError('TOO_LARGE', `Cannot patch ${shown(path)}: it would be larger than ${MAX_TEXT_FILE_BYTES} bytes`);
    return { bytes: result, added: applied.added, removed: applied.removed, offset: applied.offset, fuzz: applied.fuzz };
  }

  /** As the patches so far leave it. */
  async #file(path: string): Promise<PlannedFile> {
    const asked = workspacePath(path);
    if (asked === '') throw new SandboxError('IS_DIRECTORY', `Cannot patch ${shown(path)}: it is a directory`);
    const known = this.files.get(asked);
    if (known !== undefined) return known;
    const before = await this.#read(asked);
    this.#count(before?.bytes.length ?? 0);
    const real = before?.path ?? asked;
    const file = this.files.get(real) ?? { path: real, before, after: before };
    this.files.set(real, file);
    return file;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > MAX_BYTES)
      throw new SandboxError('TOO_LARGE', `Cannot apply the patch: its files take more than ${MAX_BYTES} bytes together`, {
        hint: 'Apply it in parts.',
      });
  }
}

const NOTHING = { added: 0, removed: 0, offset: 0, fuzz: 0 };

function mismatch(path: string, reason: string): SandboxError {
  return new SandboxError('NO_MATCH', `Cannot patch ${shown(path)}: ${reason}`, {
    hint: 'Read the file again and make the patch from what it holds now.',
  });
}

function exists(path: string): SandboxError {
  return new SandboxError('FILE_EXISTS', `Cannot patch ${shown(path)}: the patch makes it, and it exists already`);
}
