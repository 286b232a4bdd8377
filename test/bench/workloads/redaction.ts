// Keeping 20 secrets out of output: what passes through per second, with everything that stands between link and spool.

import { randomBytes } from 'node:crypto';
import { OutputRedactor } from '../../../daemon/secrets/output-redactor.ts';
import { RedactionAutomaton } from '../../../daemon/secrets/redaction-automaton.ts';
import { compare } from '../harness/comparison.ts';
import type { Workload } from '../harness/workload.ts';

const CHUNK_BYTES = 64 * 1024;
const SECRETS = 20;

/** What builds print: words, paths, hashes in hex and base64, now and then a value. */
function output(values: readonly string[]): Buffer {
  let text = '';
  for (let line = 0; text.length < CHUNK_BYTES; line += 1) {
    text += `npm warn deprecated package-${line}@1.2.${line}: use another one (sha512-${randomBytes(48).toString('base64')}) at /workspace/node_modules/${randomBytes(8).toString('hex')}\n`;
    if (line % 100 === 0) text += `token is ${values[line % SECRETS]}\n`;
  }
  return Buffer.from(text.slice(0, CHUNK_BYTES));
}

export const redaction: Workload = {
  name: 'redaction',
  unit: 'MB/s',
  what: `output through the redaction of ${SECRETS} secrets, each in all its forms`,
  async run(_stage, { isQuick }) {
    const values = Array.from({ length: SECRETS }, () => randomBytes(30).toString('base64'));
    const automaton = new RedactionAutomaton(values.map((value, index) => ({ name: `SECRET_${index}`, value: Buffer.from(value) })));
    const chunk = output(values);
    const bytes = (isQuick ? 32 : 128) * 1024 * 1024;
    const sample = async (): Promise<number> => {
      let seen = 0;
      const redactor = new OutputRedactor({ automaton, raw: 0, seen: 0, found: [], emit: (_stream, piece) => (seen += piece.length) });
      const started = performance.now();
      for (let fed = 0; fed < bytes; fed += chunk.length) redactor.feed('stdout', chunk);
      redactor.end();
      if (seen === 0) throw new Error('Cannot count what passed: nothing did');
      return bytes / 1000 / (performance.now() - started);
    };
    return await compare([{ name: 'cloister', sample }], isQuick ? { warmUp: 1, rounds: 5 } : { warmUp: 2, rounds: 10 });
  },
};
