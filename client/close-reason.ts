// What the end of a socket means: an error to report, and whether connecting again can help. Pure.

import { ClientError, SandboxError } from './errors.ts';
import { CLOSE_CODE } from './protocol/index.ts';

export function errorOfClose(code: number, reason: string): Error {
  const why = `the connection ended with code ${code}${reason === '' ? '' : ` (${reason})`}`;
  if (code === CLOSE_CODE.leaseLost) return new SandboxError('LEASE_LOST', `Cannot go on: ${why}`);
  if (code === CLOSE_CODE.tokenExpired) return new SandboxError('UNAUTHENTICATED', `Cannot go on: the token has expired, ${why}`);
  if (code === CLOSE_CODE.protocolViolation) return new ClientError('PROTOCOL_ERROR', `Cannot go on: ${why}`);
  if (code === CLOSE_CODE.tooLarge) return new SandboxError('TOO_LARGE', `Cannot go on: ${why}`);
  return new ClientError('CONNECTION_LOST', `Cannot wait for the answer: ${why}`);
}

/** True: another attempt would end the same way. */
export function isFinal(error: unknown): boolean {
  if (error instanceof ClientError) return error.code !== 'CONNECTION_LOST' && error.code !== 'CONNECT_FAILED';
  return !(error instanceof SandboxError) || error.retry !== 'later';
}
