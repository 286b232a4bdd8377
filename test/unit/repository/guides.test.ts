// The guides say of every block how it is run, and name verbs, options and codes that there are.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ERROR_TABLE } from '../../../client/protocol/errors.ts';
import { cliOutput } from '../../support/cli-output.ts';
import { guideBlocks, outputPattern } from '../../support/documents/guide-blocks.ts';
import { GUIDES } from '../../support/documents/guides.ts';

const read = (path: string): string => readFileSync(path, 'utf8');
const guides = Object.keys(GUIDES).filter((name) => GUIDES[name] === 'here');

/** Words that may follow a verb, as the completion has them: `token create` -> its options. */
async function completions(): Promise<ReadonlyMap<string, readonly string[]>> {
  const lines = [...(await cliOutput(['completion', 'bash'])).matchAll(/^ {4}'([a-z ]*)'\) words='([^']*)' ;;$/gm)];
  return new Map(lines.map(([, path = '', words = '']) => [path, words.split(' ')]));
}

/** What of a command line the program does not have; what follows `--` is the sandbox's. */
function unknownWords(line: string, known: ReadonlyMap<string, readonly string[]>): string[] {
  const words = (line.split(' -- ')[0] ?? '').split(/\s+/).slice(1);
  let path = '';
  const wrong: string[] = [];
  for (const word of words) {
    const inner = path === '' ? word : `${path} ${word}`;
    if (known.has(inner)) path = inner;
    else if (/^--[a-z]/.test(word) && !known.get(path)?.includes(word.replace(/=.*/, ''))) wrong.push(word);
    else if (path === '' && /^[a-z]+$/.test(word)) wrong.push(word);
  }
  return wrong;
}

describe.each(guides)('docs/%s', (name) => {
  const text = read(`docs/${name}`);

  test('says of each block how it is run, or why not', () => {
    expect(guideBlocks(`docs/${name}`, text).length).toBeGreaterThan(0);
  });

  test('names verbs and options of the command line', async () => {
    const known = await completions();
    expect(known.get('token create')).toContain('--tenant');
    const spans = [...text.replaceAll(/```[\s\S]*?\n```/g, '').matchAll(/`(cloister [^`\n]+)`/g)].map((match) => match[1] ?? '');
    expect(spans.map((span) => [span, unknownWords(span, known)]).filter(([, wrong]) => wrong?.length !== 0)).toEqual([]);
  });
});

test('docs/troubleshooting.md has a row for each error code, with the advice that the error carries', () => {
  const rows = read('docs/troubleshooting.md').matchAll(/^\| `([A-Z_]+)` \| (\d+) \| ([a-z-]+) \| ([^|]{20,}) \| ([^|]+) \|$/gm);
  const found = [...rows].map(([, code = '', status, retry, , hint]) => [code, { httpStatus: Number(status), retry, hint }]);
  expect(Object.fromEntries(found)).toEqual(ERROR_TABLE);
});

test('docs/README.md leads to every page', () => {
  const index = read('docs/README.md');
  const pages = readdirSync('docs').filter((name) => name.endsWith('.md') && name !== 'README.md');
  expect(pages.filter((name) => !index.includes(`](${name})`))).toEqual([]);
});

describe('a block', () => {
  test.each([
    ['without an info string', '```\nx\n```'],
    ['that is not run without a reason', '```sh\nx\n```'],
    ['with a reason that is none', '```sh not-run: too slow\nx\n```'],
    ['that another test runs, which is not there', '```sh not-run: run by test/docker/absent.test.ts\nx\n```'],
    ['without an end', '```sh run\nx\n'],
  ])('%s is refused', (_, text) => {
    expect(() => guideBlocks('page', text)).toThrow(/^page:1: /);
  });

  test.each<[string, string, string, boolean]>([
    ['the same', 'a.b\n', 'a.b', true],
    ['another character', 'axb\n', 'a.b', false],
    ['anything within a line', 'id sb1 of x\n', 'id ... of x', true],
    ['not beyond the line', 'id sb1\nof x\n', 'id ... of x', false],
    ['any lines', '1\n2\n3\nend\n', '1\n...\nend', true],
    ['no line', '1\nend\n', '1\n...\nend', true],
    ['what follows the end', 'end\nmore\n', 'end', false],
  ])('of output takes for it: %s', (_, out, expected, isTaken) => {
    expect(outputPattern(expected).test(out)).toBe(isTaken);
  });
});
