// What lies in a frozen tree, entry by entry, without opening a file. Owns one run of find(1), which walks by descriptor and
// follows no symlink, and the parsing of its records. Only for trees that no tenant can change any more.

import { SandboxError } from '../../client/protocol/errors.ts';
import { pipeCommand } from './pipe-command.ts';

/** Entries of a tree that is compared; above it the answer is TOO_LARGE. */
export const MAX_TREE_ENTRIES = 200_000;
const MAX_RECORD_BYTES = 1024 * 1024;
const TIMEOUT_MS = 120_000;
const TYPES = { f: 'file', d: 'directory', l: 'symlink', p: 'fifo', s: 'socket', b: 'device', c: 'device' } as const;

export type TreeEntryType = (typeof TYPES)[keyof typeof TYPES];

export interface TreeEntry {
  readonly type: TreeEntryType;
  /** Permission bits, 07777. */
  readonly mode: number;
  readonly size: number;
  readonly inode: string;
  /** When the kernel last changed anything about it; no tenant sets this. */
  readonly changedAt: string;
  /** Of a symlink, as bytes in latin1. */
  readonly target: string;
}

/** Path as bytes in latin1, relative, to its entry. The root itself is not listed. */
export type Tree = ReadonlyMap<string, TreeEntry>;

export async function listTree(root: string, maxEntries: number = MAX_TREE_ENTRIES): Promise<Tree> {
  const tree = new Map<string, TreeEntry>();
  let rest: Buffer = Buffer.alloc(0);
  const args = ['-P', '.', '-xdev', '-mindepth', '1', '-printf', '%y %m %s %i %C@ %P\\0%l\\0'];
  await pipeCommand('find', args, {
    cwd: root,
    timeoutMs: TIMEOUT_MS,
    onData: (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      for (;;) {
        const pathEnd = bytes.indexOf(0, at);
        const end = pathEnd < 0 ? -1 : bytes.indexOf(0, pathEnd + 1);
        if (end < 0) break;
        if (tree.size >= maxEntries) throw tooLarge(maxEntries);
        const [path, entry] = parse(bytes.toString('latin1', at, pathEnd), bytes.toString('latin1', pathEnd + 1, end));
        tree.set(path, entry);
        at = end + 1;
      }
      rest = bytes.subarray(at);
      if (rest.length > MAX_RECORD_BYTES) throw new SandboxError('INTERNAL', 'Cannot list a tree: a record of find has no end');
    },
  });
  if (rest.length > 0) throw new SandboxError('INTERNAL', 'Cannot list a tree: the last record of find is cut short');
  return tree;
}

function parse(head: string, target: string): [string, TreeEntry] {
  const match = /^([a-zA-Z?]) ([0-7]{1,5}) (\d{1,20}) (\d{1,20}) (-?\d+\.\d+) ([^]+)$/.exec(head);
  const type = TYPES[match?.[1] as keyof typeof TYPES];
  if (match === null || type === undefined) throw new SandboxError('INTERNAL', 'Cannot list a tree: find wrote a record of another form');
  const [, , mode = '', size = '', inode = '', changedAt = '', path = ''] = match;
  return [path, { type, mode: Number.parseInt(mode, 8), size: Number(size), inode, changedAt, target }];
}

function tooLarge(maxEntries: number): SandboxError {
  return new SandboxError('TOO_LARGE', `Cannot compare the workspace: it has more than ${maxEntries} files and directories`, {
    hint: 'Take a snapshot and restore it, or compare a part of the files inside the sandbox.',
  });
}
