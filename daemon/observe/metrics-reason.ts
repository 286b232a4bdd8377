// Why sandboxes end, as one word: the sentences of records are for people.

const REASONS: readonly (readonly [start: string, reason: string])[] = [
  ['evicted', 'evicted'],
  ['its time to live', 'expired'],
  ['it was idle', 'idle'],
  ['closed by an operator', 'operator'],
  ['closed by', 'closed'],
  ['the daemon stops', 'shutdown'],
];

/** `failed` is every other one: the sandbox or its engine died. */
export function closeReasonOf(sentence: string): string {
  return REASONS.find(([start]) => sentence.startsWith(start))?.[1] ?? 'failed';
}
