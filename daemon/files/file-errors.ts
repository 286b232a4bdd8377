// errno of a file verb -> the error its caller sees. The only place that knows both.

import { constants } from 'node:os';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { ErrorCode } from '../../client/protocol/errors.ts';
import { readU64 } from '../link/frames.ts';
import type { FileEnd, FileOp } from '../link/messages.ts';
import { shown } from './workspace-path.ts';

interface FileErrorRow {
  readonly code: ErrorCode;
  readonly cause: string;
  readonly hint?: string;
}

/** How many bytes stayed, and the size of the file: u64 each. */
const LEFT_BYTES = 16;

/** Keyed by errno name. */
export const FILE_ERRORS: Readonly<Record<string, FileErrorRow>> = {
  ENOENT: { code: 'FILE_NOT_FOUND', cause: 'there is no such file' },
  EEXIST: { code: 'FILE_EXISTS', cause: 'it exists already' },
  ENOTEMPTY: { code: 'FILE_EXISTS', cause: 'the directory is not empty', hint: 'Remove it recursively.' },
  EISDIR: { code: 'IS_DIRECTORY', cause: 'it is a directory' },
  ENOTDIR: { code: 'NOT_DIRECTORY', cause: 'it is not a directory' },
  ENXIO: { code: 'NOT_REGULAR_FILE', cause: 'it is a FIFO, a socket or a device' },
  EXDEV: { code: 'PATH_ESCAPES_WORKSPACE', cause: 'it leads out of the workspace' },
  ELOOP: { code: 'PATH_ESCAPES_WORKSPACE', cause: 'it has too many symlinks, or one that must not be followed' },
  EACCES: { code: 'PERMISSION_DENIED', cause: 'its permissions forbid it' },
  EPERM: { code: 'PERMISSION_DENIED', cause: 'it is not permitted' },
  EROFS: { code: 'PERMISSION_DENIED', cause: 'the workspace is read-only', hint: 'Open the session under a profile that may write.' },
  ETXTBSY: { code: 'PERMISSION_DENIED', cause: 'it is being executed' },
  EBUSY: { code: 'INVALID_REQUEST', cause: 'it is the workspace itself, or in use' },
  ENOSPC: { code: 'WORKSPACE_FULL', cause: 'no space is left' },
  EDQUOT: { code: 'WORKSPACE_FULL', cause: 'its quota is reached' },
  EFBIG: { code: 'TOO_LARGE', cause: 'the file would be larger than the disk limit' },
  EOVERFLOW: { code: 'TOO_LARGE', cause: 'it is too large' },
  E2BIG: { code: 'TOO_LARGE', cause: 'it has too many entries' },
  EMLINK: { code: 'TOO_LARGE', cause: 'it has too many links' },
  ESTALE: { code: 'NO_MATCH', cause: 'it has changed: its content is not what is expected', hint: 'Read the file again and merge.' },
  EINVAL: { code: 'INVALID_REQUEST', cause: 'the request does not fit the file' },
  ENAMETOOLONG: { code: 'INVALID_REQUEST', cause: 'a name in it is too long' },
  ENOTSUP: { code: 'INVALID_REQUEST', cause: 'the file system cannot do that' },
  ECANCELED: { code: 'INVALID_REQUEST', cause: 'the caller gave up' },
  EAGAIN: { code: 'QUOTA_EXCEEDED', cause: 'too many file requests are under way' },
  EMFILE: { code: 'QUOTA_EXCEEDED', cause: 'too many files, or more than four watches, are open' },
  ENFILE: { code: 'CAPACITY', cause: 'the host has too many files open' },
  ENOMEM: { code: 'QUOTA_EXCEEDED', cause: 'the sandbox has no memory left' },
  EIO: {
    code: 'SANDBOX_FAILED',
    cause: 'the file worker of the sandbox ended, or the disk failed',
    hint: 'Try again; if it persists, open the session again.',
  },
};

/** `paths` as the caller wrote them. */
export function fileError(op: FileOp, end: FileEnd, paths: { readonly path: string; readonly path2?: string | undefined }): SandboxError {
  const subject = end.what === 'path2' ? (paths.path2 ?? paths.path) : paths.path;
  const name = errnoName(end.errno);
  const row =
    end.what === 'component' ? { code: 'NOT_DIRECTORY' as const, cause: 'a component of it is not a directory' } : FILE_ERRORS[name];
  if (row === undefined) return new SandboxError('INTERNAL', `Cannot ${op} ${shown(subject)}: ${name}`);
  const left = op === 'write' ? leftBehind(end.body) : null;
  return new SandboxError(row.code, `Cannot ${op} ${shown(subject)}: ${row.cause} (${name})${left?.told ?? ''}`, {
    hint: left?.hint ?? ('hint' in row ? row.hint : undefined),
  });
}

/** Of an append that failed and could not be taken back, as in a full quota, or was not to be. */
function leftBehind(body: Buffer): { readonly told: string; readonly hint: string } | null {
  if (body.length !== LEFT_BYTES) return null;
  const bytes = readU64(body, 0);
  const size = readU64(body, 8);
  return {
    told: `; ${bytes} bytes of it are in the file, which has ${size} bytes now`,
    hint: `Go on after them with append and at: ${size}, or write the file as it was.`,
  };
}

function errnoName(errno: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}
