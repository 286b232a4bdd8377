// Names that become part of a request path of the Engine API, checked whoever passed them.
import { SandboxError } from '../../client/protocol/errors.ts';

function asPathPart(kind: string, value: string, pattern: RegExp): string {
  if (value.length > 512 || !pattern.test(value) || value.includes('..'))
    throw new SandboxError('INVALID_REQUEST', `Cannot use ${kind} ${JSON.stringify(value.slice(0, 80))}: not a valid name`);
  return value;
}
export const containerRef = (id: string): string => asPathPart('container', id, /^[A-Za-z0-9][A-Za-z0-9_.-]*$/);
export const imageRef = (name: string): string => asPathPart('image', name, /^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/);
