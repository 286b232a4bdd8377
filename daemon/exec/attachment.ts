// One reader's way through a command's output: pieces, gaps, and exactly one terminal event at the end.
// Owns the waiting; goes at its reader's pace and holds back nobody else.

import type { SandboxError } from '../../client/protocol/errors.ts';
import type { ExecResult } from '../../client/protocol/exec.ts';
import type { OutputStream } from '../link/messages.ts';
import type { Notifier } from './notifier.ts';
import type { OutputPiece } from './output-tail.ts';
import type { ExecSpool } from './spool.ts';
import { SpoolReader } from './spool-reader.ts';

/** `failed`: it could not be started for lack of room. */
export type ExecTerminal =
  | { readonly kind: 'end'; readonly result: ExecResult }
  | { readonly kind: 'failed'; readonly error: SandboxError };

export type ExecEvent =
  | { readonly kind: 'output'; readonly stream: OutputStream; readonly offset: number; readonly bytes: Uint8Array }
  /** Output that is no longer kept. */
  | { readonly kind: 'gap'; readonly from: number; readonly to: number }
  | ExecTerminal;

export interface AttachOptions {
  readonly spool: ExecSpool;
  readonly offset: number;
  readonly signal: AbortSignal | undefined;
  readonly changed: Notifier;
  /** Null while the command runs. */
  readonly terminal: () => Promise<ExecTerminal> | null;
}

/** What a reader gets that takes pieces as they lie in the spool, never an empty list. */
export type PiecesEvent =
  | { readonly kind: 'pieces'; readonly pieces: readonly OutputPiece[] }
  | Exclude<ExecEvent, { readonly kind: 'output' }>;

/** One event for each piece. */
export async function* attachOutput(options: AttachOptions): AsyncGenerator<ExecEvent, void, undefined> {
  for await (const event of attachPieces(options)) {
    if (event.kind === 'pieces') for (const piece of event.pieces) yield { kind: 'output', ...piece };
    else yield event;
  }
}

/** Throws the signal's reason when it is aborted. */
export async function* attachPieces(options: AttachOptions): AsyncGenerator<PiecesEvent, void, undefined> {
  const { spool, signal, changed } = options;
  const reader = new SpoolReader(spool, options.offset);
  const wake = (): void => changed.notify();
  signal?.addEventListener('abort', wake);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const next = reader.next();
      const batch = next instanceof Promise ? await next : next;
      if (batch === null) {
        const terminal = options.terminal();
        if (terminal !== null) {
          yield await terminal;
          return;
        }
        await changed.wait();
      } else if ('from' in batch) yield { kind: 'gap', from: batch.from, to: batch.to };
      else if (batch.length > 0) yield { kind: 'pieces', pieces: batch };
    }
  } finally {
    signal?.removeEventListener('abort', wake);
    await reader.close();
  }
}
