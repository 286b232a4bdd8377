// HOST:PORT of the configuration, taken apart. Pure.

import { SandboxError } from '../client/protocol/errors.ts';

export function splitAddress(listen: string): { readonly host: string; readonly port: number } {
  const at = listen.lastIndexOf(':');
  const port = Number(listen.slice(at + 1));
  if (port > 65_535) throw new SandboxError('INVALID_REQUEST', `Cannot listen on ${listen}: ${port} is not a port`);
  return { host: listen.slice(0, at), port };
}
