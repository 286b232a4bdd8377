// Images on the wire, for operators: bytes in, lines of progress out, and a record of whatever comes of it.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { ImageProgress } from '../../client/protocol/images.ts';
import { recordAnyway } from '../session/record-anyway.ts';
import type { Handler } from './handler.ts';
import type { OutgoingStream } from './outgoing-stream.ts';

/** Lines that may wait for a client that reads slowly; more are left out. */
const MAX_WAITING = 256;

const operator = (tokenId: string): string => `operator:${tokenId.slice(0, 8)}`;

export const addImage: Handler<'image.add'> = async (context, connection, params) => {
  const { name, from, accept, stream } = params;
  const { tokenId } = connection.principal;
  const { outgoing, incoming } = connection.openBoth(stream, 0, from.kind !== 'pull');
  incoming?.beginAt(0);
  const given = new AbortController();
  const lines = new ProgressLines(outgoing);
  if (outgoing !== null)
    outgoing.onStop = () => given.abort(new SandboxError('INVALID_REQUEST', `Cannot add image ${name}: it was given up`));
  try {
    return await context.images.add({
      name,
      from,
      accept,
      source: incoming ?? nothing(),
      by: operator(tokenId),
      signal: given.signal,
      tell: (progress) => lines.tell(progress),
    });
  } catch (error) {
    const code = SandboxError.is(error) ? error.code : 'INTERNAL';
    const message = SandboxError.is(error) ? error.message.slice(0, 1000) : 'an internal failure';
    const outcome = given.signal.aborted ? 'given up' : 'failed';
    recordAnyway(context, { kind: 'image.add', name, from, accept, by: operator(tokenId), outcome, code, message });
    throw error;
  } finally {
    await lines.end();
    incoming?.stop();
    connection.closeStream(stream);
  }
};

export const listImages: Handler<'image.list'> = async (context) => ({ images: await context.images.list() });

export const removeImage: Handler<'image.remove'> = async (context, { principal }, { name }) => {
  const by = operator(principal.tokenId);
  try {
    return await context.images.remove(name, by);
  } catch (error) {
    const code = SandboxError.is(error) ? error.code : 'INTERNAL';
    recordAnyway(context, { kind: 'image.remove', name, by, outcome: 'failed', code });
    throw error;
  }
};

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {
  // Nothing comes with a pull.
}

class ProgressLines {
  readonly #stream: OutgoingStream | null;
  #sending: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(stream: OutgoingStream | null) {
    this.#stream = stream;
  }

  tell(progress: ImageProgress): void {
    const stream = this.#stream;
    // What was found is always told: there are few of them.
    if (stream === null || (this.#waiting >= MAX_WAITING && 'line' in progress)) return;
    this.#waiting += 1;
    const line = Buffer.from(`${JSON.stringify(progress)}\n`);
    this.#sending = this.#sending.then(() => stream.send(line, false)).finally(() => (this.#waiting -= 1));
  }

  async end(): Promise<void> {
    await this.#sending;
    this.#stream?.end();
  }
}
