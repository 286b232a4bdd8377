// Values of secrets in a text, as a whole: for records, errors and whatever else is not a stream. Pure.

import type { RedactionAutomaton } from './redaction-automaton.ts';

export function redactText(automaton: RedactionAutomaton, text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  const found: { start: number; end: number; name: string }[] = [];
  automaton.scan(bytes, 0, (end, state) => {
    const start = end - automaton.endLength(state);
    const name = automaton.endName(state);
    // What overlaps is one place, named after what begins first.
    for (let last = found.at(-1); last !== undefined && last.end > start; last = found.at(-1)) {
      if (last.start <= start) {
        last.end = end;
        return;
      }
      found.pop();
    }
    found.push({ start, end, name });
  });
  if (found.length === 0) return text;
  const parts: string[] = [];
  let at = 0;
  for (const { start, end, name } of found) {
    parts.push(bytes.toString('utf8', at, start), `[redacted:${name}]`);
    at = end;
  }
  parts.push(bytes.toString('utf8', at));
  return parts.join('');
}
