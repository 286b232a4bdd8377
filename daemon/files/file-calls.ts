// Requests to the file worker of one sandbox, their ends checked. Owns what is done about an answer that breaks the protocol;
// knows no verb.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { FileStat } from '../../client/protocol/files.ts';
import { decodeStat } from '../link/decode.ts';
import type { FileExchange } from '../link/file-exchange.ts';
import { LinkViolation } from '../link/frames.ts';
import type { FileEnd, FileRequest } from '../link/messages.ts';
import { fileError } from './file-errors.ts';
import { toFileStat } from './file-stat.ts';

/** The caller's spelling of the paths of a request, for messages. */
export interface Named {
  readonly path: string;
  readonly path2?: string | undefined;
}

/** What is needed of the link to a sandbox. */
export interface FileLink {
  file(request: FileRequest, signal?: AbortSignal): Promise<FileExchange>;
  /** What was answered breaks the protocol. */
  distrust(reason: string): void;
}

export class FileCalls {
  readonly #link: FileLink;

  constructor(link: FileLink) {
    this.#link = link;
  }

  open(request: FileRequest, signal: AbortSignal | undefined): Promise<FileExchange> {
    return this.#link.file(request, signal);
  }

  /** A request that transfers nothing. */
  async call(request: FileRequest, named: Named): Promise<FileEnd> {
    const exchange = await this.open(request, undefined);
    return this.check(request, await exchange.end, named);
  }

  check(request: FileRequest, end: FileEnd, named: Named): FileEnd {
    if (end.errno !== 0) throw this.trust(() => fileError(request.op, end, named));
    return end;
  }

  stat(end: FileEnd): FileStat {
    return this.trust(() => toFileStat(decodeStat(end.body)));
  }

  /** What init answers against the protocol fails the sandbox. */
  trust<T>(parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof LinkViolation)) throw error;
      this.#link.distrust(error.message);
      throw new SandboxError('SANDBOX_FAILED', `Cannot use the answer of the sandbox: ${error.message}`, { cause: error });
    }
  }
}

/** The bytes of an exchange until its end or the signal's, whose reason is then thrown. */
export async function* abortable(exchange: FileExchange, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void, undefined> {
  const abort = (): void => exchange.cancel();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    yield* exchange;
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
