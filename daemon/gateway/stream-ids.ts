// Which stream ids a connection may use, and how many at once.

import { SandboxError } from '../../client/protocol/errors.ts';

const MAX_STREAMS = 1024;

/** Throws where the id is in use or there are too many. */
export function assertFree(streams: ReadonlyMap<number, unknown>, id: number): void {
  if (streams.has(id)) throw new SandboxError('INVALID_REQUEST', `Cannot open stream ${id}: it is open already`);
  if (streams.size >= MAX_STREAMS)
    throw new SandboxError('QUOTA_EXCEEDED', `Cannot open stream ${id}: ${MAX_STREAMS} are open on this connection`);
}
