// What a failure of Cloister is in the terms of E2B: a code of Connect for calls to a sandbox, an HTTP status for the rest. Pure.

import { ZodError } from 'zod';
import { ClientError, type ClientErrorCode, SandboxError } from '../../client/index.ts';
import type { ErrorCode } from '../../client/protocol/errors.ts';
import type { ConnectCode, ConnectFailure } from './connect-codec.ts';

/** What is asked for and not there; the hint says what to do instead. */
export class Unsupported extends Error {
  readonly hint: string;

  constructor(what: string, hint: string) {
    super(`Cannot use ${what}: this E2B endpoint of Cloister does not have it`);
    this.hint = hint;
  }
}

/** Another status than the table's, because E2B's client reads it as something of its own. */
export class E2bFailure extends Error {
  readonly status: number;
  readonly code: ConnectCode;

  constructor(status: number, code: ConnectCode, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** E2B's client takes this for a sandbox that is not running. */
export const notRunning = (why: string): E2bFailure => new E2bFailure(502, 'unavailable', why);

const CODES: Partial<Record<ErrorCode, ConnectCode>> = {
  UNAUTHENTICATED: 'unauthenticated',
  FORBIDDEN: 'permission_denied',
  IMAGE_NOT_ALLOWED: 'permission_denied',
  PERMISSION_DENIED: 'permission_denied',
  EGRESS_DENIED: 'permission_denied',
  NOT_FOUND: 'not_found',
  FILE_NOT_FOUND: 'not_found',
  EXEC_UNKNOWN: 'not_found',
  FILE_EXISTS: 'already_exists',
  SESSION_BUSY: 'aborted',
  LEASE_LOST: 'aborted',
  QUOTA_EXCEEDED: 'resource_exhausted',
  WORKSPACE_FULL: 'resource_exhausted',
  TOO_LARGE: 'resource_exhausted',
  CAPACITY: 'unavailable',
  ENGINE_UNAVAILABLE: 'unavailable',
  SHUTTING_DOWN: 'unavailable',
  OWNER_UNAVAILABLE: 'unavailable',
  OUTPUT_TRIMMED: 'data_loss',
  SANDBOX_FAILED: 'unavailable',
  SESSION_EXPIRED: 'unavailable',
  ENFORCEMENT_MISMATCH: 'internal',
  INTERNAL: 'internal',
  PROTOCOL_VERSION: 'internal',
};

const CLIENT_FAILURES: Partial<Record<ClientErrorCode, { readonly code: ConnectCode; readonly status: number }>> = {
  STDIN_CLOSED: { code: 'failed_precondition', status: 400 },
  /** A body that is cut off, or is not packed as it says. */
  SOURCE_FAILED: { code: 'invalid_argument', status: 400 },
  QUEUE_FULL: { code: 'resource_exhausted', status: 429 },
};

export interface Failure extends ConnectFailure {
  /** Of HTTP. */
  readonly status: number;
}

/** null: it is nobody's business but the log's. */
export function failureOf(error: unknown): Failure | null {
  if (error instanceof ZodError) return { code: 'invalid_argument', message: `Cannot read the request: ${firstOf(error)}`, status: 400 };
  if (error instanceof E2bFailure) return { code: error.code, message: error.message, status: error.status };
  if (error instanceof Unsupported) return { code: 'unimplemented', message: withHint(error), status: 501 };
  if (ClientError.is(error)) return { ...(CLIENT_FAILURES[error.code] ?? { code: 'internal', status: 500 }), message: withHint(error) };
  if (!SandboxError.is(error)) return null;
  const isGone = error.retry === 'new-session' && error.code !== 'LEASE_LOST';
  return { code: CODES[error.code] ?? 'invalid_argument', message: withHint(error), status: isGone ? 502 : error.httpStatus };
}

const firstOf = ({ issues: [issue] }: ZodError): string => `${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'is not valid'}`;

const withHint = ({ message, hint }: { readonly message: string; readonly hint: string }): string =>
  hint === '' ? message : `${message}. ${hint}`;
