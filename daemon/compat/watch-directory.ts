// WatchDir: what happens in a directory, as E2B's clients are told of it. What was missed ends the watch with an error: its reader
// would take silence for nothing having happened.

import type { SandboxFiles } from '../../client/index.ts';
import type { WatchEvent } from '../../client/protocol/file-search.ts';
import { E2bFailure } from './failure.ts';

const KINDS = { create: 'EVENT_TYPE_CREATE', change: 'EVENT_TYPE_WRITE', delete: 'EVENT_TYPE_REMOVE' } as const;

export async function* watchDirectory(
  files: Pick<SandboxFiles, 'watch' | 'stat'>,
  name: string,
  isRecursive: boolean,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, undefined> {
  const { kind } = await files.stat(name);
  if (kind !== 'directory') throw new E2bFailure(400, 'invalid_argument', `Cannot watch ${JSON.stringify(name)}: it is not a directory`);
  for await (const event of files.watch(name, { recursive: isRecursive, signal })) {
    if (event.type === 'ready') yield { start: {} };
    else yield* toldOf(event, name);
  }
}

/** A renamed file is gone under its former name and there under its new one. */
export function toldOf({ type, path, from }: Pick<WatchEvent, 'type' | 'path' | 'from'>, root: string): unknown[] {
  const told = (of: string, kind: string) => ({ filesystem: { name: root === '.' ? of : of.slice(root.length + 1), type: kind } });
  switch (type) {
    case 'ready':
      return [];
    case 'rename':
      return [...(from === undefined ? [] : [told(from, 'EVENT_TYPE_RENAME')]), told(path, 'EVENT_TYPE_CREATE')];
    case 'overflow':
    case 'limit':
      throw new E2bFailure(
        500,
        'data_loss',
        type === 'overflow'
          ? 'Cannot go on watching: events came faster than they were read, and some are lost. Look at the directory, then watch again'
          : 'Cannot go on watching: there are more than 8192 directories. Watch those that matter',
      );
    default:
      return [told(path, KINDS[type])];
  }
}
