// filesystem.Filesystem of envd: everything about files but their content. Paths come from clients and are judged twice: as text
// here, and by the kernel inside the sandbox.

import { z } from 'zod';
import { type FileEntry, SandboxError } from '../../client/index.ts';
import { entryInfo, lookAt } from './entry-info.ts';
import { Unsupported } from './failure.ts';
import type { LiveSandbox } from './live-sandboxes.ts';
import type { StreamHandler, UnaryHandler } from './rpc.ts';
import { shownPath, workspaceNameOf } from './sandbox-path.ts';
import { watchDirectory } from './watch-directory.ts';

const MAX_ENTRIES = 50_000;
const MAX_DEPTH = 64;

const Path = z.string().min(1).max(4096);
const AtPath = z.object({ path: Path });
const Move = z.object({ source: Path, destination: Path });
const List = z.object({ path: Path, depth: z.int().min(0).max(1_000_000).default(1) });
const Watch = z.object({ path: Path, recursive: z.boolean().default(false) });

const refuseWatcher: UnaryHandler = () =>
  Promise.reject(new Unsupported('watchers that are polled', 'Use WatchDir, the stream of events.'));

export const FILESYSTEM_STREAMS: Readonly<Record<string, StreamHandler>> = {
  WatchDir: {
    schema: Watch,
    keepalive: { keepalive: {} },
    run: (live, message, { signal }) => {
      const { path, recursive } = Watch.parse(message);
      return watchDirectory(live.sandbox.files, workspaceNameOf(path), recursive, signal);
    },
  },
};

export const FILESYSTEM_CALLS: Readonly<Record<string, UnaryHandler>> = {
  Stat: async ({ sandbox }, message) => ({ entry: await lookAt(sandbox, workspaceNameOf(AtPath.parse(message).path)) }),
  MakeDir: async ({ sandbox }, message) => {
    const name = workspaceNameOf(AtPath.parse(message).path);
    if (await sandbox.files.exists(name)) throw new SandboxError('FILE_EXISTS', `Cannot make ${shownPath(name)}: it is there already`);
    await sandbox.files.mkdir(name);
    return { entry: await lookAt(sandbox, name) };
  },
  Move: async ({ sandbox }, message) => {
    const { source, destination } = Move.parse(message);
    const [from, to] = [workspaceNameOf(source), workspaceNameOf(destination)];
    const parent = to.includes('/') ? to.slice(0, to.lastIndexOf('/')) : '.';
    if (parent !== '.' && !(await sandbox.files.exists(parent))) await sandbox.files.mkdir(parent);
    await sandbox.files.move(from, to, { overwrite: true });
    return { entry: await lookAt(sandbox, to) };
  },
  Remove: async ({ sandbox }, message) => {
    const name = workspaceNameOf(AtPath.parse(message).path);
    if (name === '.') throw new SandboxError('INVALID_REQUEST', 'Cannot remove the workspace itself', { hint: 'Remove what is in it.' });
    await sandbox.files.remove(name, { recursive: true, force: true });
    return {};
  },
  ListDir: async (live, message) => {
    const { path, depth } = List.parse(message);
    return { entries: await list(live, workspaceNameOf(path), Math.max(1, depth)) };
  },
  CreateWatcher: refuseWatcher,
  GetWatcherEvents: refuseWatcher,
  RemoveWatcher: refuseWatcher,
};

async function list({ sandbox }: LiveSandbox, name: string, depth: number): Promise<unknown[]> {
  const { entries, truncated } = await sandbox.files.list(name, { recursive: depth > 1, limit: MAX_ENTRIES });
  // Part of a listing would pass for all of it.
  if (truncated && (entries.length >= MAX_ENTRIES || depth > MAX_DEPTH))
    throw new SandboxError('TOO_LARGE', `Cannot list ${shownPath(name)}: it has more than ${MAX_ENTRIES} entries or ${MAX_DEPTH} levels`, {
      hint: 'List its directories one by one, with less depth.',
    });
  return entries
    .filter(({ path }: FileEntry) => path.split('/').length <= depth)
    .map((entry: FileEntry) => entryInfo(name === '.' ? entry.path : `${name}/${entry.path}`, entry, entry.symlinkTarget));
}
