// Verbs of the wire that find much: list, glob and grep go as lines of JSON on a stream with credit, so that no answer is ever too
// large. Owns the lines and the time limit; what is found is daemon/files' business.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Connection } from './connection.ts';
import { perform } from './file-handlers.ts';
import type { Handler, HandlerContext } from './handler.ts';

type SearchOperation = 'files.list' | 'files.glob' | 'files.grep';

export const searchHandlers: { readonly [O in SearchOperation]: Handler<O> } = {
  'files.list': (context, connection, params) => {
    const { path, stream, ...options } = params;
    return perform(context, connection, 'files.list', params, async (files) => {
      if (stream === undefined) return await files.list(path, options);
      const summary = await sendRecords(connection, stream, (signal) => files.search.list(path, { ...options, signal }));
      return { ...summary, entries: [] };
    });
  },
  'files.glob': (context, connection, params) =>
    perform(context, connection, 'files.glob', params, (files) =>
      within(context, params.timeoutMs, (timeUp) =>
        sendRecords(connection, params.stream, (signal) => files.search.glob({ ...params, signal, timeUp })),
      ),
    ),
  'files.grep': (context, connection, params) =>
    perform(context, connection, 'files.grep', params, (files) =>
      within(context, params.timeoutMs, (timeUp) =>
        sendRecords(connection, params.stream, (signal) => files.search.grep({ ...params, signal, timeUp })),
      ),
    ),
};

export function toLines(records: readonly unknown[]): Buffer {
  return Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
}

/** All that is found, then what it came to. A client that wants no more ends the search. */
async function sendRecords<T, S>(
  connection: Connection,
  id: number,
  search: (signal: AbortSignal) => AsyncGenerator<T[], S, undefined>,
): Promise<S> {
  const stopped = new AbortController();
  const stream = connection.openOutgoing(id, 0);
  stream.onStop = () => stopped.abort(new SandboxError('INVALID_REQUEST', 'Cannot go on: the caller gave up'));
  try {
    const records = search(stopped.signal);
    for (let next = await records.next(); ; next = await records.next()) {
      if (next.done === true) {
        stream.end();
        return next.value;
      }
      await stream.send(toLines(next.value), false);
    }
  } finally {
    connection.closeStream(id);
  }
}

async function within<T>(context: HandlerContext, ms: number, act: (timeUp: AbortSignal) => Promise<T>): Promise<T> {
  const timer = new AbortController();
  const cancel = context.clock.after(ms, () => timer.abort());
  try {
    return await act(timer.signal);
  } finally {
    cancel();
  }
}
