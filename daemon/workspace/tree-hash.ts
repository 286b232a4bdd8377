// SHA-256 of files in a frozen tree: a few small ones here, more by a process of sha256sum(1). Only for paths that were listed
// as regular files there: the tree can't change, so what they are named is what they still are.

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { SandboxError } from '../../client/protocol/errors.ts';
import { pipeCommand } from './pipe-command.ts';

const TIMEOUT_MS = 300_000;
/** Up to here a process would cost more than the hashing. */
const FEW_FILES = 64;
const FEW_BYTES = 1024 * 1024;
const MAX_RECORD_BYTES = 1024 * 1024;
const DIGEST_CHARACTERS = 64;
/** Mark between digest and name: two characters, the second one a space or a star. */
const MARK_CHARACTERS = 2;

export interface HashedFile {
  /** Bytes in latin1, relative to the root. */
  readonly path: string;
  readonly size: number;
}

/** Paths to hex digests; what could not be read is absent. */
export async function hashFiles(root: string, files: readonly HashedFile[]): Promise<ReadonlyMap<string, string>> {
  if (files.length === 0) return new Map();
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (files.length <= FEW_FILES && bytes <= FEW_BYTES) return await hashHere(root, files);
  return await hashByProcess(
    root,
    files.map(({ path }) => path),
  );
}

async function hashHere(root: string, files: readonly HashedFile[]): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  for (const { path } of files) {
    const name = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);
    const file = await open(name, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => undefined);
    if (file === undefined) continue;
    try {
      digests.set(
        path,
        createHash('sha256')
          .update(await file.readFile())
          .digest('hex'),
      );
    } finally {
      await file.close();
    }
  }
  return digests;
}

async function hashByProcess(root: string, paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  let rest: Buffer = Buffer.alloc(0);
  await pipeCommand('xargs', ['--null', '--no-run-if-empty', '-n', '500', 'sha256sum', '--zero', '--'], {
    cwd: root,
    timeoutMs: TIMEOUT_MS,
    input: names(paths),
    // xargs says 123 when one of its commands failed: a name too long to be opened, say.
    alsoFine: [123],
    onData: (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      for (let end = bytes.indexOf(0, at); end >= 0; end = bytes.indexOf(0, at)) {
        const record = bytes.toString('latin1', at, end);
        const path = record.slice(DIGEST_CHARACTERS + MARK_CHARACTERS);
        if (!/^[0-9a-f]{64} [ *]\.\//.test(record)) throw new SandboxError('INTERNAL', 'Cannot hash files: sha256sum wrote another form');
        digests.set(path.slice('./'.length), record.slice(0, DIGEST_CHARACTERS));
        at = end + 1;
      }
      rest = bytes.subarray(at);
      if (rest.length > MAX_RECORD_BYTES) throw new SandboxError('INTERNAL', 'Cannot hash files: a record of sha256sum has no end');
    },
  });
  return digests;
}

function* names(paths: readonly string[]): Generator<Buffer> {
  const BATCH = 500;
  for (let at = 0; at < paths.length; at += BATCH) {
    // `./` so that no name is an option or means standard input.
    const batch = paths.slice(at, at + BATCH).map((path) => `./${path}\0`);
    yield Buffer.from(batch.join(''), 'latin1');
  }
}
