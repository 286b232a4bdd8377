// One HTTP route: what it is called, who may call it, what it answers. The table of all is routes.ts.

import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { Principal } from '../auth/principal.ts';

const MAX_BODY_BYTES = 64 * 1024;

export type RouteAnswer =
  | { readonly status: number; readonly body: unknown }
  /** A file of the console. */
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly bytes: Buffer }
  /** Lines as they come, until the reader has gone. */
  | { readonly status: number; readonly contentType: string; readonly stream: (signal: AbortSignal) => AsyncIterable<string> };

export interface RouteCall {
  readonly principal: Principal;
  /** What stands in the place of `:id`. */
  readonly id: string;
  readonly query: URLSearchParams;
  /** JSON; empty: an empty object. */
  readonly body: <Schema extends z.ZodType>(schema: Schema) => Promise<z.output<Schema>>;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Its last part may be `:id`. */
  readonly path: string;
  readonly handle: (call: RouteCall) => Promise<RouteAnswer> | RouteAnswer;
}

/** null: another path. Otherwise what stands for `:id`. */
export function matchPath(route: Pick<Route, 'path'>, path: string): string | null {
  if (!route.path.endsWith('/:id')) return path === route.path ? '' : null;
  const prefix = route.path.slice(0, -':id'.length);
  if (!path.startsWith(prefix) || path.length === prefix.length || path.includes('/', prefix.length)) return null;
  try {
    return decodeURIComponent(path.slice(prefix.length));
  } catch {
    return null;
  }
}

export async function readBody<Schema extends z.ZodType>(request: IncomingMessage, schema: Schema): Promise<z.output<Schema>> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES)
      throw new SandboxError('TOO_LARGE', `Cannot read the request: its body has more than ${MAX_BODY_BYTES} bytes`);
    parts.push(part);
  }
  const text = Buffer.concat(parts).toString('utf8').trim();
  return parseInput(schema, text === '' ? {} : jsonOf(text));
}

/** INVALID_REQUEST names what is wrong, never the value. */
export function parseInput<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new SandboxError(
    'INVALID_REQUEST',
    `Cannot read the request: ${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'does not fit'}`,
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SandboxError('INVALID_REQUEST', 'Cannot read the request: its body is not JSON');
  }
}
