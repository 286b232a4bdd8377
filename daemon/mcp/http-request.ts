// A request to /mcp, read: within a bound, into the form the SDK takes, and what its address says of the sandbox.

import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { Name, SessionName } from '../../client/protocol/names.ts';
import type { Principal } from '../auth/principal.ts';
import type { McpTarget } from './open-options.ts';

const MAX_BODY_BYTES = 4 * 1024 * 1024;

const Query = z.strictObject({
  session: SessionName.optional(),
  image: Name.optional(),
  profile: Name.optional(),
  allow: z.array(z.string().min(1).max(300)).max(100),
  join: z.enum(['0', '1']).optional(),
});

/** `body` is undefined where the method has none. */
export async function readMcpRequest(request: IncomingMessage): Promise<{ readonly web: Request; readonly body: unknown }> {
  const method = request.method ?? 'GET';
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    // The token has been used; whoever reads this request needs none.
    if (name === 'authorization' || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  }
  const url = new URL(request.url ?? '/mcp', 'http://localhost');
  if (method !== 'POST') return { web: new Request(url, { method, headers }), body: undefined };
  return { web: new Request(url, { method, headers }), body: jsonOf(await textOf(request)) };
}

/** To its end even when it is too long, so that the connection is of further use; the server's time limit for a request bounds that. */
function textOf(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    request.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= MAX_BODY_BYTES) parts.push(part);
      else parts.length = 0;
    });
    request.on('end', () => {
      if (bytes <= MAX_BODY_BYTES) resolve(Buffer.concat(parts).toString('utf8'));
      else reject(new SandboxError('TOO_LARGE', `Cannot read the request: its body has more than ${MAX_BODY_BYTES} bytes`));
    });
    request.on('error', reject);
    request.on('close', () => reject(new SandboxError('INVALID_REQUEST', 'Cannot read the request: it was cut off')));
  });
}

/** `?session=NAME&profile=NAME&image=NAME&allow=HOST&allow=HOST&join=1`; a token of one session works in that one. */
export function targetOf(web: Request, principal: Principal): McpTarget {
  const query = new URL(web.url).searchParams;
  const { allow: _allow, ...single } = Object.fromEntries(query);
  const parsed = Query.safeParse({ ...single, allow: query.getAll('allow') });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new SandboxError(
      'INVALID_REQUEST',
      `Cannot begin an MCP session: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is not valid'}`,
    );
  }
  const { join, ...target } = parsed.data;
  return { ...target, session: target.session ?? principal.session ?? undefined, join: join === '1' };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SandboxError('INVALID_REQUEST', 'Cannot read the request: its body is not JSON');
  }
}
