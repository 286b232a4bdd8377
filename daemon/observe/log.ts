// The daemon's own log: pino, one JSON line per event, to stderr. Not the audit log.

import { type Logger, pino } from 'pino';
import { maskCredentials } from './mask-credentials.ts';

export type Log = Logger;

/** `destination` is a file descriptor; tests pass a stream. */
export function createLog(options: { readonly level: string; readonly destination: NodeJS.WritableStream }): Log {
  return pino(
    { level: options.level, timestamp: pino.stdTimeFunctions.isoTime, base: null, hooks: { streamWrite: maskCredentials } },
    options.destination,
  );
}
