// files.watch: events of one directory to one client until it stops the stream. Owns how long events wait to be put together; does not
// count as use of the session, so that a forgotten watch keeps no sandbox alive.

import type { WatchEvent } from '../../client/protocol/file-search.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { EventMerger } from '../files/file-watches.ts';
import type { Clock } from '../observe/clock.ts';
import { toLines } from './file-search-handlers.ts';
import { type Handler, sessionOf } from './handler.ts';
import { assertPermitted, fileRequests } from './permission-checks.ts';
import type { OutgoingStream } from './outgoing-stream.ts';

const MERGE_MS = 50;

export const watchFiles: Handler<'files.watch'> = async (context, connection, params) => {
  const session = sessionOf(context, connection, params.sandbox);
  const { tenant, session: name, id: sandboxId, labels } = session;
  const { tokenId } = connection.principal;
  const record = { kind: 'files.watch' as const, tenant, session: name, sandboxId, tokenId, path: params.path, labels };
  const stopped = new AbortController();
  const stream = connection.openOutgoing(params.stream, 0);
  stream.onStop = () => stopped.abort();
  try {
    await assertPermitted(context, connection, session, `watch ${params.path}`, fileRequests('files.watch', params));
    const events = session.sandbox().files.watches.watch(params.path, { recursive: params.recursive, signal: stopped.signal });
    await sendMerged(events, stream, context.clock);
  } catch (error) {
    if (!stopped.signal.aborted) {
      context.audit.append({ ...record, outcome: 'failed', code: SandboxError.is(error) ? error.code : 'INTERNAL' });
      throw error;
    }
  } finally {
    connection.closeStream(params.stream);
  }
  context.audit.append({ ...record, outcome: 'done' });
  return {};
};

/** What comes within a moment goes at once; a client that does not read makes the worker wait, and the kernel says what it dropped. */
async function sendMerged(batches: AsyncIterable<readonly WatchEvent[]>, stream: OutgoingStream, clock: Clock): Promise<void> {
  const merger = new EventMerger();
  let cancelTimer: (() => void) | null = null;
  let sending: Promise<unknown> = Promise.resolve();
  const flush = (): void => {
    cancelTimer?.();
    cancelTimer = null;
    const events = merger.take();
    if (events.length > 0) sending = sending.then(() => stream.send(toLines(events), false));
  };
  try {
    for await (const batch of batches) {
      for (const event of batch) merger.add(event);
      if (merger.isFull || batch.some(({ type }) => type === 'ready')) {
        flush();
        await sending;
      } else cancelTimer ??= clock.after(MERGE_MS, flush);
    }
  } finally {
    flush();
    await sending;
    stream.end();
  }
}
