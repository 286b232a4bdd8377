// Whole trees to and from a sandbox, as one tar stream each.

import { stat } from 'node:fs/promises';
import type { Connection } from './connection.ts';
import { FileRead } from './file-read.ts';
import { FileWrite } from './file-write.ts';
import type { TreeTransfer } from './protocol/index.ts';
import { TreeProgress, type TransferOptions } from './tree-progress.ts';
import { packLocalTree } from './tree-pack.ts';
import { unpackLocalTree } from './tree-unpack.ts';

const DEFAULT_MAX_BYTES = 64 * 1024 ** 3;
const MAX_SKIPPED_PATHS = 100;
export interface DownloadOptions extends TransferOptions {
  /** Bytes of content after which the download is given up with TOO_LARGE; 64 GiB unless given. */
  readonly maxBytes?: number | undefined;
}

export async function uploadTree(
  connection: Connection,
  sandbox: string,
  localPath: string,
  path: string,
  options: TransferOptions,
): Promise<TreeTransfer> {
  // A local mistake is told before anything is sent.
  await stat(localPath);
  const packed = packLocalTree(localPath, new TreeProgress(options));
  const transfer = await new FileWrite(connection, 'files.upload', { sandbox, path }, packed.bytes).result;
  return { ...transfer, skipped: packed.skipped.length, skippedPaths: packed.skipped.slice(0, MAX_SKIPPED_PATHS) };
}

export async function downloadTree(
  connection: Connection,
  sandbox: string,
  path: string,
  localDirectory: string,
  options: DownloadOptions,
): Promise<TreeTransfer> {
  const reading = new FileRead(connection, 'files.download', { sandbox, path }).read();
  let transfer: TreeTransfer | undefined;
  const bytes = (async function* () {
    transfer = yield* reading;
  })();
  await unpackLocalTree(bytes, {
    root: localDirectory,
    maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
    progress: new TreeProgress(options),
  });
  return transfer ?? { files: 0, directories: 0, symlinks: 0, bytes: 0, skipped: 0, skippedPaths: [] };
}
