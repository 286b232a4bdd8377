// What the file system of an image has that a check wants to know, read from a tar stream of it. Keeps samples, never the tree.

import { extract, type Header } from 'tar-stream';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { feedArchive } from '../../../client/protocol/feed-archive.ts';

const MAX_ENTRIES = 5_000_000;
const MAX_SAMPLES = 8;
const SET_ID = 0o6000;
const CAPABILITY = 'SCHILY.xattr.security.capability';
const SHELLS = new Set(['bin/sh', 'usr/bin/sh', 'bin/bash', 'usr/bin/bash']);
/** What sandboxes mount over; a symlink in its place would lead the mount elsewhere. */
const DIRECTORIES = new Set(['dev', 'dev/shm', 'etc', 'proc', 'run', 'run/cloister', 'sys', 'tmp', 'workspace']);
const FILES = new Set(['run/cloister-init', 'etc/group', 'etc/hostname', 'etc/hosts', 'etc/passwd', 'etc/resolv.conf']);

/** Some of the paths, and how many there are. */
export interface Sample {
  readonly paths: string[];
  count: number;
}

export interface ImageTree {
  readonly setIds: Sample;
  readonly capabilities: Sample;
  readonly devices: Sample;
  /** Places that are mounted over and are of another kind than they must be. */
  readonly mountPoints: Sample;
  hasShell: boolean;
}

export async function readImageTree(tar: AsyncIterable<Uint8Array>): Promise<ImageTree> {
  const none = (): Sample => ({ paths: [], count: 0 });
  const tree: ImageTree = { setIds: none(), capabilities: none(), devices: none(), mountPoints: none(), hasShell: false };
  const archive = extract();
  const feeding = feedArchive(tar, archive);
  feeding.catch(() => undefined);
  let entries = 0;
  try {
    for await (const entry of archive) {
      entries += 1;
      if (entries > MAX_ENTRIES) throw new SandboxError('TOO_LARGE', `Cannot check the image: it has more than ${MAX_ENTRIES} files`);
      take(tree, entry.header);
      entry.resume();
    }
    await feeding;
    return tree;
  } catch (error) {
    archive.destroy(null);
    throw error;
  }
}

function take(tree: ImageTree, { name, type, mode, pax }: Header): void {
  const path = name.replace(/^(?:\.?\/)+/, '').replace(/\/+$/, '');
  const isFile = type === 'file' || type === 'link' || type === 'contiguous-file';
  if (isFile && (mode & SET_ID) !== 0) add(tree.setIds, path);
  if (isFile && typeof pax === 'object' && pax !== null && Object.hasOwn(pax, CAPABILITY)) add(tree.capabilities, path);
  // Those of /dev are never seen: every sandbox has a /dev of its own.
  if ((type === 'character-device' || type === 'block-device') && !path.startsWith('dev/')) add(tree.devices, path);
  const isMisplaced = (DIRECTORIES.has(path) && type !== 'directory') || (FILES.has(path) && !isFile);
  if (isMisplaced) add(tree.mountPoints, path);
  if (SHELLS.has(path) && type !== 'directory') tree.hasShell = true;
}

function add(sample: Sample, path: string): void {
  sample.count += 1;
  if (sample.paths.length < MAX_SAMPLES) sample.paths.push(`/${path}`.slice(0, 200));
}
