// Reads the committed filter table, and turns it into the rows.h of the probe program.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { z } from 'zod';

const Row = z
  .tuple([z.string(), z.string(), z.string(), z.string(), z.enum(['yes', 'no'])])
  .transform(([call, args, strict, debug, control]) => ({
    call,
    args,
    strict: strict.split('|'),
    debug: debug.split('|'),
    hasControl: control === 'yes',
  }));
export type FilterRow = z.infer<typeof Row> & { readonly id: number };

export function readFilterTable(): FilterRow[] {
  const text = readFileSync(new URL('seccomp-table.tsv', import.meta.url), 'utf8');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line, id) => ({ id, ...Row.parse(line.split('\t')) }));
}

/** The name in `name`, `name=number`, `int80:name=number` and `x32:name`. */
export const callName = (row: FilterRow): string => row.call.replace(/^(int80|x32):/, '').replace(/=\d+$/, '');

/** One C initializer per row. A call newer than the headers has its number; one this architecture lacks is ABSENT. */
export function rowsHeader(rows: readonly FilterRow[]): string {
  const lines = rows.flatMap((row) => {
    const [, entry, name = '', number] = /^(?:(int80|x32):)?(\w+?)(?:=(\d+))?$/.exec(row.call) ?? [];
    const args = row.args
      .split(' ')
      .map((word) => (word === 'buf' ? 'BUF' : `(uint64_t)${word}`))
      .join(', ');
    const start = `{${row.id}, ${entry?.toUpperCase() ?? 'NATIVE'}`;
    if (entry === 'int80') return [`${start}, ${number}, {${args}}},`];
    return [
      `#ifdef __NR_${name}`,
      `${start}, __NR_${name}, {${args}}},`,
      '#else',
      `${start}, ${number ?? 'ABSENT'}, {${args}}},`,
      '#endif',
    ];
  });
  return `${lines.join('\n')}\n`;
}

const NAME_OF_ERRNO = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
const NAME_OF_SIGNAL = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** Row id to what the kernel answered, in the table's words. */
export function readAnswers(text: string): Map<number, string> {
  const name = (answer: string): string => {
    const number = Number(answer.slice(1));
    if (answer.startsWith('e')) return NAME_OF_ERRNO.get(number) ?? answer;
    if (answer.startsWith('s')) return NAME_OF_SIGNAL.get(number) ?? answer;
    return answer === 'x' ? 'ended' : answer;
  };
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [id = '', answer = ''] = line.split('\t');
        return [Number(id), name(answer)];
      }),
  );
}
