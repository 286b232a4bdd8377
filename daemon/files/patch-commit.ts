// Writes what a patch came to: first what is made and changed, then what goes. If a step fails, those before it are taken
// back where the files are still as this left them, and the error says what could not be.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { PlannedFile } from './patch-plan.ts';
import { sha256Of, type TextStore } from './text-store.ts';
import { shown } from './workspace-path.ts';

interface Step {
  readonly file: PlannedFile;
  readonly undo: () => Promise<unknown>;
}

export type Commit =
  | { readonly verdict: 'written'; readonly files: readonly PlannedFile[] }
  /** A file was not as planned, and nothing is changed: it may be planned again. */
  | { readonly verdict: 'conflict'; readonly error: SandboxError };

export async function commitPatch(store: TextStore, files: readonly PlannedFile[]): Promise<Commit> {
  const changed = files.filter(isChanged);
  const order = [...changed.filter(({ after }) => after !== null), ...changed.filter(({ after }) => after === null)];
  const done: Step[] = [];
  for (const file of order) {
    try {
      done.push({ file, undo: await perform(store, file) });
    } catch (error) {
      const stuck = await takeBack(done);
      if (stuck.length === 0 && SandboxError.is(error) && isConflict(error)) return { verdict: 'conflict', error };
      throw told(error, file, stuck);
    }
  }
  return { verdict: 'written', files: order };
}

function isChanged({ before, after }: PlannedFile): boolean {
  if (before === null || after === null) return before !== after;
  return !before.bytes.equals(after.bytes) || (after.mode !== undefined && after.mode !== before.mode);
}

async function perform(store: TextStore, { path, before, after }: PlannedFile): Promise<() => Promise<unknown>> {
  if (after === null) {
    if (before === null) return async () => undefined;
    await removeIf(store, path, before.sha256);
    return () => store.write(path, before.bytes, { exclusive: true, mode: before.mode });
  }
  const sha256 = sha256Of(after.bytes);
  const mode = after.mode === undefined ? {} : { mode: after.mode };
  if (before === null) {
    await store.write(path, after.bytes, { exclusive: true, ...mode });
    return () => removeIf(store, path, sha256);
  }
  await store.write(path, after.bytes, { ifMatch: before.sha256, ...mode });
  return () => store.write(path, before.bytes, { ifMatch: sha256, mode: before.mode });
}

/** Only while it holds what it should; between the look and the removal a process of the sandbox may still change it. */
export async function removeIf(store: TextStore, path: string, sha256: string): Promise<void> {
  if ((await store.hash(path)).sha256 !== sha256)
    throw new SandboxError('NO_MATCH', `Cannot remove ${shown(path)}: its content is another by now`, { hint: 'Read the file again.' });
  await store.remove(path);
}

/** Answers what could not be. */
async function takeBack(done: readonly Step[]): Promise<string[]> {
  const stuck: string[] = [];
  for (const { file, undo } of done.toReversed()) {
    try {
      await undo();
    } catch {
      stuck.push(shown(file.path));
    }
  }
  return stuck;
}

function told(error: unknown, file: PlannedFile, stuck: readonly string[]): unknown {
  if (!SandboxError.is(error)) return error;
  const rest = stuck.length === 0 ? 'nothing is changed' : `these stay changed: ${stuck.join(', ')}`;
  return new SandboxError(error.code, `Cannot patch ${shown(file.path)}: ${error.message}; ${rest}`, { hint: error.hint, cause: error });
}

/** Somebody else wrote the file between its reading and its writing. */
export const isConflict = (error: unknown): error is SandboxError =>
  SandboxError.is(error, 'NO_MATCH') || SandboxError.is(error, 'FILE_EXISTS');
