// What the documents say of the repository is so: their links, paths, commands, codes, example and tables.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ERROR_CODES } from '../../../client/protocol/errors.ts';
import { Config } from '../../../daemon/config.ts';
import { CONFIG_SECTIONS, renderReadme } from '../../support/documents/readme.ts';

const Package = z.looseObject({
  scripts: z.record(z.string(), z.string()),
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
});

const read = (path: string): string => readFileSync(path, 'utf8');
const { scripts, dependencies, devDependencies } = Package.parse(JSON.parse(read('package.json')));
const documents = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '*.md'], { encoding: 'utf8' })
  .split('\0')
  .filter((path) => path !== '' && existsSync(path));
/** Names in capitals that are not Cloister's codes: variables of the environment. */
const VARIABLES = /^(CLOISTER_\w+|DOCKER_HOST|NODE_OPTIONS|BASH_ENV|LD_\w+)$/;

const matches = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map((match) => match[1] ?? '');
const codeSpans = (text: string): string[] => matches(text.replaceAll(/```[\s\S]*?```/g, ''), /`([^`\n]+)`/g);

describe.each(documents)('%s', (path) => {
  const text = read(path);

  test('links to files that exist', () => {
    const targets = matches(text, /\]\(([^)#\s]+)[^)]*\)/g).filter((target) => !/^[a-z]+:/.test(target));
    expect(targets.filter((target) => !existsSync(join(dirname(path), target)))).toEqual([]);
  });

  test('names paths that exist', () => {
    const paths = codeSpans(text).filter(
      (span) => /^(client|daemon|images|seccomp|test|examples)\/[\w./-]*$/.test(span) && !/NAME|results/.test(span),
    );
    expect(paths.filter((named) => !existsSync(named))).toEqual([]);
  });

  test('names commands that package.json has', () => {
    const named = [...matches(text, /\bnpm run ([a-z]+)\b/g), ...matches(text, /\bnpm (start|test)\b/g)];
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  test('names error codes of the table', () => {
    const codes = codeSpans(text).filter((span) => /^[A-Z]+(_[A-Z]+)+$/.test(span) && !VARIABLES.test(span));
    const isErrorCode = (code: string): boolean => (ERROR_CODES as readonly string[]).includes(code);
    expect(path.startsWith('seccomp/') || path.startsWith('images/') ? [] : codes.filter((code) => !isErrorCode(code))).toEqual([]);
  });
});

describe('ARCHITECTURE.md', () => {
  test('says of each dependency why it is there, and of no other', () => {
    const table = read('ARCHITECTURE.md').split('## Dependencies')[1]?.split('\n## ')[0] ?? '';
    const named = matches(table, /^\| ([^|]+) \|/gm).flatMap((cell) => cell.split(', '));
    expect(named.filter((name) => name !== 'package').toSorted()).toEqual(Object.keys({ ...dependencies, ...devDependencies }).toSorted());
  });
});

describe('README.md', () => {
  test('shows the example and the configuration as they are (npm run docs writes them)', () => {
    const readme = read('README.md');
    const configSections = CONFIG_SECTIONS.map(read);
    const sources = {
      readme,
      example: read('examples/first-steps.ts'),
      configSource: read('daemon/config.ts'),
      configSchema: Config,
      configSections,
    };
    expect(renderReadme(sources)).toBe(readme);
  });

  test('names the command that continuous integration runs', () => {
    const commands = read('.ci/run')
      .split('\n')
      .filter((line) => /^\s*(npm|npx|node)\b/.test(line));
    expect(commands).toEqual(['npm test']);
    expect(read('README.md')).toContain('`npm test`');
  });
});
