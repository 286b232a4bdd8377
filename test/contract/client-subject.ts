// What the claims about the client are made on, and the few words they are written in.

import { randomBytes } from 'node:crypto';
import type { Cloister, OutputChunk, Sandbox } from '../../client/index.ts';

/** Its client and sandbox exist from the first beforeAll on. */
export interface ClientSubject {
  readonly cloister: Cloister;
  readonly sandbox: Sandbox;
  /** A client of its own each time. */
  connect(): Promise<Cloister>;
}

export const MIB = 1024 * 1024;

export const newSession = (): string => `contract-${randomBytes(6).toString('hex')}`;

/** The code a promise rejects with. */
export const errorOf = (promise: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(promise).then(
    () => 'no error',
    (error: { code?: unknown }) => error.code ?? error,
  );

export async function collect(chunks: AsyncIterable<OutputChunk>): Promise<OutputChunk[]> {
  const all: OutputChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

export const textOf = (chunks: readonly OutputChunk[], stream: 'stdout' | 'stderr'): string =>
  chunks
    .filter((chunk) => chunk.stream === stream)
    .map((chunk) => chunk.text)
    .join('');
