// What the command line shows, apart from where it comes from: tables, lines of output, recordings, completion, bytes.

import { execFileSync } from 'node:child_process';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { bytesText } from '../../../client/cli/byte-count.ts';
import { asTerminal, castHeader, castLine } from '../../../client/cli/cast.ts';
import { OutputLines } from '../../../client/cli/output-lines.ts';
import { Progress } from '../../../client/cli/progress.ts';
import { formatTable, tableOptionsOf } from '../../../client/cli/table.ts';
import { addCompletionCommand } from '../../../daemon/cli/completion.ts';

const HEAD = ['ID', 'SESSION', 'STATE'];
const ROWS = [
  ['sb_1', 'a-session-with-a-long-name', 'running'],
  ['sb_2', 'b', 'paused'],
];

describe('a table', () => {
  test.each<[string, number | undefined, string]>([
    [
      'is as wide as it is where nobody has a terminal',
      undefined,
      'ID    SESSION                     STATE\nsb_1  a-session-with-a-long-name  running\nsb_2  b                           paused\n',
    ],
    ['gives way in its widest column', 30, 'ID    SESSION          STATE\nsb_1  a-session-with…  running\nsb_2  b                paused\n'],
    ['is never cut to nothing', 5, 'ID    SESSI…  STATE\nsb_1  a-ses…  runni…\nsb_2  b       paused\n'],
  ])('%s', (_, width, expected) => {
    expect(formatTable(HEAD, ROWS, { width })).toBe(expected);
  });

  test('has a bold head on a terminal with colours and nowhere else', () => {
    expect(formatTable(['A'], [['b']], tableOptionsOf({ isTTY: true, columns: 80, hasColors: () => true }))).toBe(
      '\u001b[1mA\u001b[0m\nb\n',
    );
    expect(formatTable(['A'], [['b']], tableOptionsOf({ isTTY: true, columns: 80, hasColors: () => false }))).toBe('A\nb\n');
    expect(formatTable(['A'], [['b']], tableOptionsOf({ hasColors: () => true }))).toBe('A\nb\n');
  });

  test('shows what a tenant chose as text', () => {
    expect(formatTable(['A'], [['\u001b]0;x\u0007\u202e']])).toBe('A\n\\x1b]0;x\\x07\\u{202e}\n');
  });
});

describe('output as lines', () => {
  const linesOf = (...parts: (string | Uint8Array)[]): string[] => {
    const lines: string[] = [];
    const output = new OutputLines((line) => lines.push(line));
    for (const part of parts) output.add(typeof part === 'string' ? Buffer.from(part) : part);
    output.end();
    return lines;
  };

  test.each<[string, (string | Uint8Array)[], string[]]>([
    ['are whole however the bytes came', ['a', 'b\nc', '\n'], ['ab', 'c']],
    ['have no carriage returns, nor what they overwrote', ['10 %\r50 %\r100 %\r\n'], ['100 %']],
    ['drive no terminal', ['\u001b[2J\u001b]52;c;x\u0007\n'], ['\\x1b[2J\\x1b]52;c;x\\x07']],
    ['keep characters that were split', [Buffer.from([0xe2, 0x82]), Buffer.from([0xac, 0x0a])], ['€']],
    ['end where the output does', ['no end'], ['no end']],
    ['come in parts if they never end', ['x'.repeat(20_000)], ['x'.repeat(16_384), 'x'.repeat(3616)]],
  ])('%s', (_, parts, expected) => {
    expect(linesOf(...parts)).toEqual(expected);
  });
});

test('a recording is asciicast v2', () => {
  expect(castHeader({ title: 't', startedAtMs: 1_700_000_000_900 })).toBe(
    '{"version":2,"width":80,"height":24,"timestamp":1700000000,"title":"t"}\n',
  );
  expect(castLine({ at: 1.23456789, text: asTerminal('a\nb\r\n') })).toBe('[1.234568,"o","a\\r\\nb\\r\\n"]\n');
  expect(castLine({ at: -1, text: '' })).toBe('[0,"o",""]\n');
});

test.each([
  [null, '-'],
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [512 * 1024 ** 2, '512 MiB'],
  [5 * 1024 ** 5, '5120 TiB'],
])('%s bytes read %s', (bytes, expected) => {
  expect(bytesText(bytes)).toBe(expected);
});

test('progress is one line on a terminal, taken away at the end, and nothing elsewhere', () => {
  const written = (isTTY: boolean): string => {
    let text = '';
    const out = { isTTY, columns: 10, write: (part: string) => (text += part) };
    const progress = new Progress(out as unknown as ConstructorParameters<typeof Progress>[0]);
    progress.tell('a very long line');
    progress.tell('too soon after the first');
    progress.end();
    return text;
  };
  expect(written(true)).toBe('\r\u001b[Ka very lo\r\u001b[K');
  expect(written(false)).toBe('');
});

describe('completion', () => {
  const script = async (shell: string): Promise<string> => {
    let text = '';
    const program = new Command('cloister');
    program.command('ps').option('--tenant <name>', "one tenant's");
    program.command('token').description('tokens').command('create').option('--ttl <duration>', 'how long');
    const out = { write: (part: string) => (text += part) };
    addCompletionCommand(program, { out } as unknown as Parameters<typeof addCompletionCommand>[1]);
    await program.parseAsync(['completion', shell], { from: 'user' });
    return text;
  };
  const completed = async (...words: string[]): Promise<string[]> => {
    const run = `${await script('bash')}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cloister; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', run, 'bash', ...words], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line !== '');
  };

  test('bash is offered the verbs, those of a verb, and its options', async () => {
    expect(await completed('cloister', '')).toEqual(['ps', 'token', 'completion', '--help']);
    expect(await completed('cloister', 'p')).toEqual(['ps']);
    expect(await completed('cloister', 'token', 'c')).toEqual(['create']);
    expect(await completed('cloister', 'token', 'create', '--')).toEqual(['--ttl', '--help']);
    expect(await completed('cloister', 'ps', '--t')).toEqual(['--tenant']);
  });

  test('zsh and fish get scripts of their own', async () => {
    expect(await script('zsh')).toContain('#compdef cloister');
    expect(await script('fish')).toContain(
      "complete -c cloister -n '__fish_seen_subcommand_from token; and __fish_seen_subcommand_from create' -l ttl -d 'how long'",
    );
  });
});
