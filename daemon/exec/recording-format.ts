// What stands in a recording: lines of JSON, a header first in each file, then what happened with its time. Pure.

import { z } from 'zod';
import { SandboxId } from '../../client/protocol/names.ts';

/** Of a command, as shown in the audit log. */
const MAX_COMMAND_CHARS = 4096;

export const RecordingHeader = z.strictObject({
  version: z.literal(1),
  sandboxId: SandboxId,
  tenant: z.string(),
  session: z.string(),
  /** Milliseconds since the epoch, of the first command. */
  startedAtMs: z.number(),
});
export type RecordingHeader = z.infer<typeof RecordingHeader>;

const at = { at: z.number() };
const exec = { exec: z.string().max(64) };
export const RecordingEvent = z.discriminatedUnion('t', [
  z.strictObject({ t: z.literal('start'), ...at, ...exec, command: z.string() }),
  /** `d`: bytes as base64, as they were kept: without values of secrets. */
  z.strictObject({ t: z.literal('out'), ...at, ...exec, s: z.enum(['stdout', 'stderr']), d: z.base64() }),
  z.strictObject({ t: z.literal('end'), ...at, ...exec, outcome: z.string(), exitCode: z.int().nullable() }),
  /** Bytes of output that were not written here, because it came too fast or there was no room. */
  z.strictObject({ t: z.literal('dropped'), ...at, bytes: z.int() }),
  z.strictObject({ t: z.literal('close'), ...at }),
]);
export type RecordingEvent = z.infer<typeof RecordingEvent>;

/** null: torn by a crash, or nothing of ours. */
export function parseEvent(line: string): RecordingEvent | null {
  try {
    const event = RecordingEvent.safeParse(JSON.parse(line));
    return event.success ? event.data : null;
  } catch {
    return null;
  }
}

export function commandOf(command: unknown): string {
  const text = Array.isArray(command) ? command.map(String).join(' ') : typeof command === 'string' ? command : '';
  return text.slice(0, MAX_COMMAND_CHARS);
}
