// Reads a text message of the daemon: an answer, an event, or nothing this client knows. Pure.

import { errorFromBody } from './errors.ts';
import { EventEnvelope } from './protocol/index.ts';

export type Message =
  | { readonly kind: 'answer'; readonly id: number; readonly result: unknown; readonly error: Error | undefined }
  | { readonly kind: 'event'; readonly event: EventEnvelope }
  /** Something a newer daemon may say. */
  | { readonly kind: 'unknown' };

/** null: not a message of this protocol. The result is still unchecked. */
export function readMessage(text: string): Message | null {
  const message = parseObject(text);
  if (message === null) return null;
  if (message['event'] !== undefined) {
    const event = EventEnvelope.safeParse(message);
    return event.success ? { kind: 'event', event: event.data } : { kind: 'unknown' };
  }
  const { id, result, error } = message as { id?: unknown; result?: unknown; error?: unknown };
  if (typeof id !== 'number') return null;
  return { kind: 'answer', id, result, error: error === undefined ? undefined : errorFromBody(error) };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
