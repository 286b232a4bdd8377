// /v1/recordings over plain HTTP: which there are, and what happened in one, a JSON line each. Whoever may read a session's audit records
// may read its recording.

import { SandboxError } from '../../client/protocol/errors.ts';
import { maySeeRecord } from '../auth/access.ts';
import type { Recordings } from '../exec/recordings.ts';
import type { Route } from './route.ts';

export function recordingRoutes({ recordings }: { readonly recordings: Pick<Recordings, 'list' | 'read'> }): Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/recordings',
      handle: ({ principal }) => ({
        status: 200,
        body: { recordings: recordings.list().filter((recording) => maySeeRecord(principal, recording)) },
      }),
    },
    {
      method: 'GET',
      path: '/v1/recordings/:id',
      handle: ({ principal, id }) => {
        const found = recordings.list().find(({ sandboxId }) => sandboxId === id);
        if (found === undefined || !maySeeRecord(principal, found))
          throw new SandboxError('NOT_FOUND', 'Cannot find the recording: there is none of this id', {
            hint: 'Sessions are recorded where the configuration says so (record.bytes), from their first command on.',
          });
        return {
          status: 200,
          contentType: 'application/x-ndjson',
          async *stream(signal) {
            for await (const event of recordings.read(id)) {
              if (signal.aborted) return;
              yield `${JSON.stringify(event)}\n`;
            }
          },
        };
      },
    },
  ];
}
