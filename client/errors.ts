// The errors a client can meet: those the daemon reports (SandboxError) and those that arise here (ClientError).
// Knows nothing of sockets.

import { ErrorBody, SandboxError } from './protocol/index.ts';

export { SandboxError, type ErrorCode, type Retry } from './protocol/index.ts';

/** Local failures and what to do about each. */
const CLIENT_ERRORS = {
  ABORTED: 'The given AbortSignal fired.',
  CALLBACK_FAILED: 'A callback given to exec() threw; its error is the cause. The command was killed.',
  CLOSED: 'This client was closed; connect again.',
  CONNECT_FAILED: 'Check the address and that the daemon is running (cloister serve).',
  CONNECTION_LOST: 'The daemon could not be reached again in time; connect again and attach to what ran in the background.',
  INVALID_ARGUMENT: 'Correct the argument named in the message.',
  OUTCOME_UNKNOWN: 'The call may or may not have happened; look before doing it again.',
  PROTOCOL_ERROR: 'Client and daemon disagree about the protocol; use the same version of both.',
  QUEUE_FULL: 'Await earlier calls before making more.',
  SOURCE_FAILED: 'The data source given to the call failed; its error is the cause.',
  STDIN_CLOSED: 'Start the command with stdin: true (or pty) and write before closeStdin().',
} as const;

export type ClientErrorCode = keyof typeof CLIENT_ERRORS;

/**
 * A failure on this side of the connection. `code` is stable, `message` says what failed and why, `hint` what to do.
 * @example try { await Cloister.connect({ url, token }) } catch (error) { if (ClientError.is(error, 'CONNECT_FAILED')) ... }
 */
export class ClientError extends Error {
  readonly code: ClientErrorCode;
  readonly hint: string;

  constructor(code: ClientErrorCode, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ClientError';
    this.code = code;
    this.hint = options.hint ?? CLIENT_ERRORS[code];
  }

  static is(value: unknown, code?: ClientErrorCode): value is ClientError {
    return value instanceof ClientError && (code === undefined || value.code === code);
  }
}

/** The error a response carries; a body that is none of the protocol is itself a failure. */
export function errorFromBody(body: unknown): SandboxError | ClientError {
  const parsed = ErrorBody.safeParse(body);
  if (!parsed.success)
    return new ClientError('PROTOCOL_ERROR', 'Cannot read an error of the daemon: it has an unknown shape', { cause: body });
  const { code, message, ...options } = parsed.data;
  return new SandboxError(code, message, options);
}
