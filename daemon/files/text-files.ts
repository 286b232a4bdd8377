// The text verbs of one session: view, edit, insert, patch, undo. One change at a time, so that two edits of a file never
// lose one; what a process of the sandbox writes meanwhile is noticed by its hash, and the change made again.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { FileStat } from '../../client/protocol/files.ts';
import {
  type EditResult,
  type FileView,
  type InsertResult,
  MAX_TEXT_FILE_BYTES,
  type PatchResult,
  type TextEdit,
  type UndoResult,
} from '../../client/protocol/text.ts';
import { editText, insertLines } from './edit-text.ts';
import { type UndoStep, UndoStore } from './edit-undo.ts';
import { commitPatch, isConflict, removeIf } from './patch-commit.ts';
import { parsePatch } from './patch-parse.ts';
import { planPatch, type PlannedFile } from './patch-plan.ts';
import { encodeText } from './text-encoding.ts';
import { countLines } from './text-lines.ts';
import { type Permit, readContent, readTextFile, sha256Of, type TextOnDisk, type TextStore, tooLarge } from './text-store.ts';
import { view, type ViewOptions } from './text-view.ts';
import { shown, workspacePath } from './workspace-path.ts';

const MAX_TRIES = 5;
const MAX_WAITING = 100;
const ANY: Permit = () => undefined;

export class TextFiles {
  readonly #store: TextStore;
  readonly #undo = new UndoStore();
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(store: TextStore) {
    this.#store = store;
  }

  view(path: string, options: ViewOptions): Promise<FileView> {
    return view(this.#store, path, options);
  }

  /** In order and written at once, or not at all. */
  edit(path: string, edits: readonly TextEdit[], permit = ANY): Promise<EditResult> {
    return this.#change('edit', path, permit, (file) => {
      const edited = editText(file.text, edits, path);
      const replacements = edited.edits.reduce((sum, one) => sum + one.replacements, 0);
      return { text: edited.text, result: { replacements, edits: edited.edits, encoding: file.encoding } };
    });
  }

  /** After line `line`; 0 is the top. */
  insert(path: string, line: number, text: string, permit = ANY): Promise<InsertResult> {
    return this.#change('insert into', path, permit, (file) => {
      const { text: next, ...result } = insertLines(file.text, line, text, path);
      return { text: next, result };
    });
  }

  /** All files or none; `path` names the file of a patch without file headers. */
  patch(patch: string, path: string | undefined, permit = ANY): Promise<PatchResult> {
    const patches = parsePatch(patch, path);
    const lines = countLines(patch);
    return this.#alone('patch', async () => {
      for (let tries = 1; ; tries += 1) {
        const plan = await planPatch(patches, lines, (file) => readContent(this.#store, 'patch', file, permit));
        const commit = await commitPatch(this.#store, plan.files);
        if (commit.verdict === 'written') {
          for (const step of undoSteps(commit.files, plan.report)) this.#undo.remember(step);
          return { files: plan.report };
        }
        if (tries === MAX_TRIES) throw commit.error;
      }
    });
  }

  /** Takes the last edit, insert or patch of this file back, once; NO_MATCH if the file was written since. */
  undoEdit(path: string, permit = ANY): Promise<UndoResult> {
    return this.#alone('undo', async () => {
      const key = workspacePath(path);
      const step = this.#undo.find(key) ?? this.#undo.find((await readContent(this.#store, 'undo', path, permit))?.path ?? key);
      if (step === undefined)
        throw new SandboxError('INVALID_REQUEST', `Cannot undo the edit of ${shown(path)}: no edit of it is remembered`, {
          hint: 'Only the last edit, insert or patch of a file in this session can be undone, and once.',
        });
      try {
        const result = await this.#takeBack(step);
        this.#undo.forget(step.after?.path ?? result.path);
        return result;
      } catch (error) {
        if (!isConflict(error) && !SandboxError.is(error, 'FILE_NOT_FOUND')) throw error;
        throw new SandboxError('NO_MATCH', `Cannot undo the edit of ${shown(path)}: the file was changed since`, {
          hint: 'Read the file and edit what it holds now.',
          cause: error,
        });
      }
    });
  }

  async #takeBack({ before, after }: UndoStep): Promise<UndoResult> {
    const store = this.#store;
    if (before === null) {
      if (after !== null) await removeIf(store, after.path, after.sha256);
      return { path: after?.path ?? '', action: 'removed' };
    }
    const { path, bytes, mode } = before;
    if (after?.path === path) {
      await store.write(path, bytes, { ifMatch: after.sha256, mode });
      return { path, action: 'restored' };
    }
    await store.write(path, bytes, { exclusive: true, mode });
    if (after !== null) {
      try {
        await removeIf(store, after.path, after.sha256);
      } catch (error) {
        await removeIf(store, path, sha256Of(bytes)).catch(() => undefined);
        throw error;
      }
    }
    return { path, action: after === null ? 'recreated' : 'restored' };
  }

  #change<R>(
    verb: string,
    path: string,
    permit: Permit,
    change: (file: TextOnDisk) => { readonly text: string; readonly result: R },
  ): Promise<R & { sha256: string; stat: FileStat }> {
    return this.#alone(verb, async () => {
      for (let tries = 1; ; tries += 1) {
        const file = await readTextFile(this.#store, verb, path, permit);
        const { text, result } = change(file);
        const bytes = encodeText(text, file.encoding, path);
        if (bytes.length > MAX_TEXT_FILE_BYTES) throw tooLarge(verb, path);
        try {
          const stat = await this.#store.write(file.path, bytes, { ifMatch: file.sha256 });
          const sha256 = sha256Of(bytes);
          this.#undo.remember({ before: file, after: { path: file.path, sha256 } });
          return { ...result, sha256, stat };
        } catch (error) {
          if (tries === MAX_TRIES || !isConflict(error)) throw error;
        }
      }
    });
  }

  /** Changes wait for each other. */
  async #alone<T>(verb: string, call: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING)
      throw new SandboxError('QUOTA_EXCEEDED', `Cannot ${verb}: ${MAX_WAITING} changes of text are waiting already`, {
        hint: 'Wait for their answers, or send several edits of a file as one.',
      });
    this.#waiting += 1;
    const before = this.#last;
    const { promise, release } = gate();
    this.#last = promise;
    try {
      await before;
      return await call();
    } finally {
      this.#waiting -= 1;
      release();
    }
  }
}

function gate(): { readonly promise: Promise<void>; readonly release: () => void } {
  let release = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { promise, release };
}

/** A rename is one step; every other file one of its own. */
function undoSteps(files: readonly PlannedFile[], report: PatchResult['files']): UndoStep[] {
  const steps: UndoStep[] = [];
  const byPath = new Map(files.map((file) => [file.path, file]));
  for (const { path, from } of report) {
    const [old, renamed] = [byPath.get(from ?? ''), byPath.get(path)];
    if (old === undefined || renamed === undefined || old.after !== null || renamed.before !== null || renamed.after === null) continue;
    steps.push({ before: old.before, after: { path, sha256: sha256Of(renamed.after.bytes) } });
    byPath.delete(old.path);
    byPath.delete(path);
  }
  for (const { path, before, after } of byPath.values())
    steps.push({ before, after: after === null ? null : { path, sha256: sha256Of(after.bytes) } });
  return steps;
}
