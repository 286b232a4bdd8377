// The bytes of a command between spool and socket, both ways.

import type { Execution } from '../exec/execution.ts';
import type { OutputPiece } from '../exec/output-tail.ts';
import type { Connection } from './connection.ts';
import type { IncomingStream } from './incoming-stream.ts';
import type { OutgoingStream } from './outgoing-stream.ts';

/** Sends output from `offset` on until the command ends or the client wants no more; `holds`: the command waits for this reader. */
export async function pipeOutput(
  connection: Connection,
  execution: Execution,
  stream: OutgoingStream,
  offset: number,
  holds: boolean,
  signal: AbortSignal,
): Promise<void> {
  const reader = connection.clientId;
  if (holds) execution.gate.reached(reader, offset);
  let isComplete = false;
  try {
    for await (const event of execution.attachPieces(offset, signal)) {
      if (event.kind === 'pieces') {
        const reached = await sendPieces(stream, event.pieces);
        if (reached === null) break;
        if (holds) execution.gate.reached(reader, reached);
      } else if (event.kind === 'gap') {
        stream.skipTo(event.to);
        connection.sendEvent({ event: 'stream.gap', stream: stream.id, from: event.from, to: event.to });
      } else isComplete = true;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    // A client that is away may come back for the rest; it holds its place until its grace is over.
    if (connection.isOpen) execution.gate.release(reader);
    if (isComplete || signal.aborted) stream.end();
  }
}

/** Answers the offset reached; null: the client wants no more. */
async function sendPieces(stream: OutgoingStream, pieces: readonly OutputPiece[]): Promise<number | null> {
  let reached = 0;
  for (const piece of pieces) {
    const sent = stream.send(piece.bytes, piece.stream === 'stderr');
    // Nearly always there is room, and waiting for what is done already costs more than doing it.
    if (!(typeof sent === 'boolean' ? sent : await sent)) return null;
    reached = piece.offset + piece.bytes.byteLength;
  }
  return reached;
}

/** Passes stdin on from where the command has it, until its end, or until its writer goes on elsewhere. */
export async function pumpStdin(stream: IncomingStream, execution: Execution, writer: string): Promise<void> {
  const turn = execution.stdin.take(writer);
  try {
    stream.beginAt(await turn.offset);
    for await (const chunk of stream) {
      if (turn.signal.aborted) return;
      if (!(await execution.write(chunk))) break;
    }
    if (!turn.signal.aborted) execution.closeStdin();
  } catch {
    // The connection is gone before the end of stdin: the command must not take what came for all there is.
    // It waits, and ends with the client's grace.
  } finally {
    stream.stop();
  }
}
