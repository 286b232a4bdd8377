// Reads a command's output to its end and then its answer: an end of the bytes alone is never a result.

import { ClientError } from './errors.ts';
import type { ReadOptions } from './exec-options.ts';
import type { InboundStream } from './inbound-stream.ts';
import { ChunkReader, type OutputChunk } from './output-chunk.ts';
import type { ExecResult } from './protocol/index.ts';

/** Yields every chunk after its callback has seen it; `onLeave` runs when the reader stops before the answer. */
export async function* readOutput(
  output: InboundStream,
  answer: Promise<ExecResult>,
  callbacks: Pick<ReadOptions, 'onStdout' | 'onStderr'>,
  onLeave: () => Promise<void>,
): AsyncGenerator<OutputChunk, ExecResult, undefined> {
  const reader = new ChunkReader();
  const hasCallbacks = callbacks.onStdout !== undefined || callbacks.onStderr !== undefined;
  let isAnswered = false;
  try {
    for (let piece = await output.next(); piece !== null; piece = output.take() ?? (await output.next())) {
      const chunk = reader.read(piece);
      if (hasCallbacks) await deliver(chunk, callbacks);
      yield chunk;
    }
    for (const chunk of reader.finish(output.received)) {
      await deliver(chunk, callbacks);
      yield chunk;
    }
    const result = await answer;
    isAnswered = true;
    return result;
  } finally {
    if (!isAnswered) await onLeave();
  }
}

async function deliver(chunk: OutputChunk, callbacks: Pick<ReadOptions, 'onStdout' | 'onStderr'>): Promise<void> {
  const callback = chunk.stream === 'stdout' ? callbacks.onStdout : callbacks.onStderr;
  if (callback === undefined) return;
  try {
    await callback(chunk.text, chunk);
  } catch (cause) {
    throw new ClientError('CALLBACK_FAILED', `Cannot go on reading: the callback for ${chunk.stream} threw`, { cause });
  }
}
