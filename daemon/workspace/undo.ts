// Takes the changes of one command back, in place. Reads only frozen trees of the host; everything that is written goes through
// the sandbox's file worker, as its user, so nothing that a tenant flips meanwhile reaches beyond the sandbox.

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import PQueue from 'p-queue';
import { SandboxError } from '../../client/protocol/errors.ts';
import { exactPath, shownPath } from './change-list.ts';
import { isUntouched, looksSame, type TreeChange } from './tree-diff.ts';
import { hashFiles } from './tree-hash.ts';
import { listTree, type TreeEntry, type TreeEntryType } from './tree-list.ts';

/** Files written at once, below what the file worker takes. */
const CONCURRENCY = 6;
const READ_BYTES = 256 * 1024;
const MAX_NAMED = 5;
const MAX_SKIPPED = 100;

/** What undoing needs of the file worker. */
export interface UndoFiles {
  write(path: string, source: AsyncIterable<Uint8Array>, options: { readonly mode: number }): Promise<unknown>;
  remove(path: string, options: { readonly recursive?: boolean; readonly force?: boolean }): Promise<void>;
  mkdir(path: string, options: { readonly mode: number }): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  /** Also one that leads out of the workspace: the command that is undone had it there. */
  restoreSymlink(path: string, target: string): Promise<void>;
}

export interface UndoOptions {
  readonly changes: readonly TreeChange[];
  /** Frozen tree from before the command. */
  readonly before: string;
  /** Frozen tree of the workspace as it is. */
  readonly present: string;
  readonly files: UndoFiles;
  /** Also what was changed again since. */
  readonly overwrite: boolean;
}

export interface Undone {
  /** What was done: the reverse of what the command did. */
  readonly changes: TreeChange[];
  readonly skipped: string[];
}

/** A change with what stands there now. */
interface Step extends TreeChange {
  readonly now: TreeEntry | undefined;
}

/** NO_MATCH, and nothing is written, if something was changed again after the command. */
export async function undoChanges(options: UndoOptions): Promise<Undone> {
  const { files, overwrite } = options;
  const { steps, conflicts } = await compare(options);
  if (conflicts.length > 0 && !overwrite) {
    const named = conflicts.slice(0, MAX_NAMED).map((path) => JSON.stringify(shownPath(path)));
    throw new SandboxError(
      'NO_MATCH',
      `Cannot undo: changed again since: ${named.join(', ')}${conflicts.length > MAX_NAMED ? ' ...' : ''}`,
      {
        hint: 'Look at these files; overwrite: true gives their later content up.',
      },
    );
  }
  const possible = steps.filter(({ path, before }) => exactPath(path) !== undefined && isRestorable(before));
  const left = await removeObstacles(files, possible, overwrite);
  for (const { path, before } of possible) {
    if (before?.type === 'directory') await files.mkdir(nameOf(path), { mode: (before.mode & 0o777) | 0o700 });
    if (before?.type === 'symlink') await files.restoreSymlink(nameOf(path), exactPath(before.target) ?? '');
  }
  await writeFiles(files, options.before, possible);
  // The deepest first: a directory that may not be entered any more hides what is in it.
  for (const { path, before } of possible.toReversed())
    if (before?.type === 'directory') await files.chmod(nameOf(path), before.mode & 0o777);
  return {
    changes: possible.filter(({ path }) => !left.has(path)).map(reversed),
    skipped: steps
      .filter((step) => !possible.includes(step))
      .slice(0, MAX_SKIPPED)
      .map(({ path }) => shownPath(path)),
  };
}

/** What is still to be done, and what was changed by somebody else since. */
async function compare(options: UndoOptions): Promise<{ readonly steps: Step[]; readonly conflicts: string[] }> {
  const tree = await listTree(options.present);
  const all: Step[] = options.changes.map((change) => ({ ...change, now: tree.get(change.path) }));
  // Where the content is known it decides: a file can change twice within one step of the clock.
  const isClear = ({ now, after, sha256 }: Step): boolean =>
    sha256 === undefined && now !== undefined && after !== undefined && isUntouched(now, after);
  const unclear = all.filter((step) => step.now?.type === 'file' && !isClear(step));
  const [present, former] = await Promise.all([
    hashFiles(
      options.present,
      unclear.flatMap(({ path, now }) => (now === undefined ? [] : [{ path, size: now.size }])),
    ),
    hashFiles(
      options.before,
      unclear.flatMap(({ path, before }) => (before?.type === 'file' ? [{ path, size: before.size }] : [])),
    ),
  ]);
  const steps: Step[] = [];
  const conflicts: string[] = [];
  for (const step of all) {
    const { path, now, before, after, sha256 } = step;
    const content = present.get(path);
    const isLeft = isClear(step) || isSame(now, after, content, sha256);
    if (!isLeft && isSame(now, before, content, former.get(path))) continue;
    steps.push(step);
    if (!isLeft) conflicts.push(path);
  }
  return { steps, conflicts };
}

function isSame(now: TreeEntry | undefined, then: TreeEntry | undefined, content: string | undefined, was: string | undefined): boolean {
  if (now === undefined || then === undefined) return now === then;
  if (!looksSame(now, then)) return false;
  return now.type !== 'file' || (content !== undefined && content === was);
}

/** Takes away what stands in the way; returns the directories that stay, because something else is in them. */
async function removeObstacles(files: UndoFiles, steps: readonly Step[], overwrite: boolean): Promise<ReadonlySet<string>> {
  const left = new Set<string>();
  // The deepest first, so that a directory is empty when its turn comes.
  for (const { path, now, before } of steps.toReversed()) {
    if (now === undefined || (before?.type === now.type && now.type !== 'symlink')) continue;
    try {
      await files.remove(nameOf(path), { force: true, recursive: overwrite && before !== undefined });
    } catch (error) {
      if (before !== undefined || !SandboxError.is(error, 'FILE_EXISTS')) throw error;
      left.add(path);
    }
  }
  return left;
}

async function writeFiles(files: UndoFiles, root: string, steps: readonly Step[]): Promise<void> {
  const queue = new PQueue({ concurrency: CONCURRENCY });
  const writes = steps
    .filter(({ before }) => before?.type === 'file')
    .map(({ path, before }) => async () => {
      const file = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);
      // Safe because: the tree is frozen and this was listed as a regular file in it.
      const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const source = handle.createReadStream({ highWaterMark: READ_BYTES });
      try {
        await files.write(nameOf(path), source, { mode: (before?.mode ?? 0) & 0o777 });
      } finally {
        source.destroy();
      }
    });
  await queue.addAll(writes);
}

const RESTORABLE: ReadonlySet<TreeEntryType> = new Set<TreeEntryType>(['file', 'directory', 'symlink']);

function isRestorable(before: TreeEntry | undefined): boolean {
  if (before === undefined) return true;
  return RESTORABLE.has(before.type) && (before.type !== 'symlink' || exactPath(before.target) !== undefined);
}

const nameOf = (path: string): string => `./${exactPath(path) ?? ''}`;

function reversed({ path, before, now, after }: Step): TreeChange {
  const from = now ?? after;
  if (before === undefined) return { path, kind: 'deleted', before: from };
  return now === undefined ? { path, kind: 'created', after: before } : { path, kind: 'changed', before: now, after: before };
}
