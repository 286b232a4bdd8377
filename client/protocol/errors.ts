// The one error table: every failure a caller of Cloister can see has a row here.
// Owns codes, HTTP status, retry advice and default hints; knows nothing of transports.

export type Retry = 'never' | 'later' | 'new-session';

interface ErrorRow {
  readonly httpStatus: number;
  readonly retry: Retry;
  readonly hint: string;
}

const row = (httpStatus: number, retry: Retry, hint: string): ErrorRow => ({ httpStatus, retry, hint });

/** Error codes with their HTTP status, whether a retry can help, and what to do. */
export const ERROR_TABLE = {
  UNAUTHENTICATED: row(401, 'never', 'Send a valid, unexpired token (cloister token create --tenant T).'),
  FORBIDDEN: row(403, 'never', 'Use a token whose role and session allow this call.'),
  INVALID_REQUEST: row(400, 'never', 'Correct the named fields and send the request again.'),
  NOT_FOUND: row(404, 'never', 'Check the id; list() shows what this token may see.'),
  SESSION_BUSY: row(409, 'later', 'Another connection controls this session; wait, join as participant, or open with takeover: true.'),
  SESSION_EXPIRED: row(410, 'new-session', 'Open the session again; its workspace is kept by default.'),
  LEASE_LOST: row(409, 'new-session', 'Another connection took this session over; open it again to act on it.'),
  QUOTA_EXCEEDED: row(429, 'later', 'Close what is not needed or ask the operator for a higher ceiling.'),
  CAPACITY: row(503, 'later', 'The host is full; try again in a few seconds.'),
  IMAGE_NOT_ALLOWED: row(403, 'never', 'Use an image of the operator allowlist (images.allow).'),
  PROFILE_UNKNOWN: row(
    400,
    'never',
    'Use a built-in profile (readonly, workspace-write-no-network, workspace-write) or one of the configuration.',
  ),
  POLICY_INVALID: row(400, 'never', 'Correct the policy; the message names the part that contradicts the profile.'),
  ENFORCEMENT_MISMATCH: row(
    500,
    'never',
    'The kernel does not enforce what was granted; an operator should read the log of the daemon, which names the difference.',
  ),
  ENGINE_UNAVAILABLE: row(
    503,
    'later',
    'The container engine does not answer; an operator should look at it and at the log of the daemon.',
  ),
  SANDBOX_FAILED: row(500, 'new-session', 'The sandbox ended unexpectedly; open the session again.'),
  PATH_ESCAPES_WORKSPACE: row(400, 'never', 'Use a path inside /workspace without symlinks that lead out of it.'),
  FILE_NOT_FOUND: row(404, 'never', 'Check the path; list() shows the directory.'),
  FILE_EXISTS: row(409, 'never', 'Choose another path or remove the existing file first.'),
  IS_DIRECTORY: row(400, 'never', 'Use a file path, or the directory verbs.'),
  NOT_DIRECTORY: row(400, 'never', 'A component of the path is not a directory.'),
  NOT_REGULAR_FILE: row(400, 'never', 'Only regular files can be read or written; this is a FIFO, socket or device.'),
  PERMISSION_DENIED: row(403, 'never', 'The file mode or the profile forbids this.'),
  NO_MATCH: row(400, 'never', 'Read the file again and send text that occurs in it.'),
  AMBIGUOUS_MATCH: row(400, 'never', 'Add context so that exactly one place matches, or set replaceAll.'),
  WORKSPACE_FULL: row(507, 'never', 'Remove files or ask for a larger diskBytes.'),
  TOO_LARGE: row(413, 'never', 'Send less at once; the message states the limit.'),
  EXEC_UNKNOWN: row(404, 'never', 'The command is unknown or its output was kept no longer.'),
  OUTPUT_TRIMMED: row(410, 'never', 'The asked range is no longer kept; attach at a later offset.'),
  EGRESS_DENIED: row(403, 'never', 'Ask for the host in egress.allow, or do without it.'),
  OWNER_UNAVAILABLE: row(503, 'later', 'The member that owns this session is away; try again after the hinted time.'),
  PROTOCOL_VERSION: row(426, 'never', 'Use a client of the same protocol version as the daemon.'),
  SHUTTING_DOWN: row(503, 'later', 'The daemon is stopping; connect again shortly.'),
  INTERNAL: row(500, 'never', 'This is a defect in Cloister; report it with the request id.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_TABLE;

export const ERROR_CODES = Object.keys(ERROR_TABLE) as [ErrorCode, ...ErrorCode[]];

export interface SandboxErrorOptions {
  readonly hint?: string | undefined;
  readonly retry?: Retry | undefined;
  /** Milliseconds after which a retry may succeed. */
  readonly retryAfterMs?: number | undefined;
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

/** A failure reported by the daemon. `code` is stable, `message` says what failed and why, `hint` what to do. */
export class SandboxError extends Error {
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly hint: string;
  readonly retryAfterMs: number | undefined;
  readonly requestId: string | undefined;

  constructor(code: ErrorCode, message: string, options: SandboxErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SandboxError';
    this.code = code;
    this.retry = options.retry ?? ERROR_TABLE[code].retry;
    this.hint = options.hint ?? ERROR_TABLE[code].hint;
    this.retryAfterMs = options.retryAfterMs;
    this.requestId = options.requestId;
  }

  get httpStatus(): number {
    return ERROR_TABLE[this.code].httpStatus;
  }

  static is(value: unknown, code?: ErrorCode): value is SandboxError {
    return value instanceof SandboxError && (code === undefined || value.code === code);
  }
}
