// Text verbs of the test peer: the daemon's own, on a directory of this host.

import { createHash } from 'node:crypto';
import type { FileStat, ParsedParams } from '../../client/protocol/index.ts';
import { TextFiles } from '../../daemon/files/text-files.ts';
import type { TextStore } from '../../daemon/files/text-store.ts';
import type { PeerFiles } from './peer-files.ts';

type TextOperation = 'files.view' | 'files.edit' | 'files.insert' | 'files.patch' | 'files.undoEdit';

export function peerText(filesOf: (sandbox: string) => PeerFiles): { readonly [O in TextOperation]: (params: ParsedParams<O>) => unknown } {
  const text = (sandbox: string): TextFiles => {
    const files = filesOf(sandbox);
    files.text ??= new TextFiles(peerStore(files));
    return files.text;
  };
  return {
    'files.view': ({ sandbox, path, ...options }) => text(sandbox).view(path, options),
    'files.edit': ({ sandbox, path, edits }) => text(sandbox).edit(path, edits),
    'files.insert': ({ sandbox, path, line, text: inserted }) => text(sandbox).insert(path, line, inserted),
    'files.patch': ({ sandbox, patch, path }) => text(sandbox).patch(patch, path),
    'files.undoEdit': ({ sandbox, path }) => text(sandbox).undoEdit(path),
  };
}

/** A store on the peer's directory. */
export function peerStore(files: PeerFiles): TextStore {
  const target = { sandbox: '' as never, stream: 1 as never, append: false, exclusive: false };
  const content = (path: string): Promise<Uint8Array> => files.read({ ...target, path, offset: 0 });
  return {
    read: (path) => ({
      stat: files.stat(path),
      async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
        const bytes = await content(path);
        for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
      },
    }),
    write: async (path, bytes, options): Promise<FileStat> => {
      const mode = options.mode ?? (await files.stat(path).catch(() => null))?.mode;
      return files.write({ ...target, path, ...options, exclusive: options.exclusive ?? false, mode }, bytes);
    },
    stat: (path, options = {}) => files.stat(path, options.followSymlink),
    readlink: (path) => files.readlink(path),
    remove: (path) => files.remove({ sandbox: target.sandbox, path, recursive: false, force: false }),
    hash: async (path) => ({
      sha256: createHash('sha256')
        .update(await content(path))
        .digest('hex'),
    }),
    list: async (path, { depth, limit }) => {
      const listing = await files.list({ sandbox: target.sandbox, path, recursive: true, limit: 100_000 });
      const entries = listing.entries.filter((entry) => entry.path.split('/').length <= depth + 1);
      return { entries: entries.slice(0, limit), total: entries.length, truncated: entries.length > limit };
    },
  };
}
