// What E2B's clients are told of a command: its output, and how it ended. Pure. Only a command that ended by itself has an exit
// code; whatever else became of it is an error there, never a zero.

import type { ExecResult, OutputChunk } from '../../client/index.ts';
import { E2bFailure } from './failure.ts';

/** Of what did not end by itself, as Go's os/exec says it. */
const NO_EXIT_CODE = -1;

export const startEvent = (pid: number): unknown => ({ event: { start: { pid } } });
export const keepaliveEvent = { event: { keepalive: {} } };

export function dataEvent({ stream, bytes, droppedBytes, offset }: OutputChunk, isPty: boolean): unknown {
  if (droppedBytes > 0)
    throw new E2bFailure(
      500,
      'data_loss',
      `Cannot go on with the output: ${droppedBytes} bytes before ${offset} were not read in time and are not kept any more`,
    );
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  return { event: { data: { [isPty ? 'pty' : stream]: data } } };
}

/** Throws where the client must get an error and not an end. */
export function endEvent(result: ExecResult): unknown {
  const { outcome, exitCode, signal } = result;
  const why = [result.reason, result.remedy].filter((text) => text !== undefined && text !== '').join('. ');
  const told = why === '' ? outcome : `${outcome}: ${why}`;
  if (outcome === 'denied') throw new E2bFailure(403, 'permission_denied', `Cannot run the command: ${why === '' ? 'it is denied' : why}`);
  if (outcome === 'timedOut') throw new E2bFailure(504, 'deadline_exceeded', 'The command was ended: it ran for longer than its timeout');
  if (outcome === 'lost' || outcome === 'running') throw new E2bFailure(500, 'data_loss', `Cannot tell how the command ended (${told})`);
  if (outcome === 'exited' && exitCode !== null) {
    const status = `exit status ${exitCode}`;
    return { event: { end: { exitCode, exited: true, status, ...(exitCode === 0 ? {} : { error: status }) } } };
  }
  const status =
    outcome === 'signalled' ? `signal: ${signal ?? 'unknown'}` : outcome === 'killed' ? `killed by ${result.by ?? 'somebody'}` : told;
  return { event: { end: { exitCode: NO_EXIT_CODE, exited: false, status, error: status } } };
}
