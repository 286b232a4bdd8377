import { describe, expect, test } from 'vitest';
import { checkFile, RULES } from '../../support/lint/repository-rules.ts';

const rulesBroken = (path: string, text: string): string[] => checkFile({ path, text }).map((violation) => violation.rule);
const HEAD = '// Owns one thing.\n';
// Put together, so that this file passes the rules it tests.
const joined = (...parts: string[]): string => parts.join('');

const CASES: Record<string, { path: string; text: string; rule: string }> = {
  'a file of 301 lines': { path: 'daemon/exec/big.ts', text: HEAD + 'const a = 1;\n'.repeat(300), rule: 'max-lines' },
  'a C file of 301 lines': { path: 'images/init/big.c', text: '/* one */\n'.repeat(301), rule: 'max-lines' },
  'a word for unfinished work': { path: 'README.md', text: joined('TO', 'DO: write\n'), rule: 'no-unfinished' },
  'an excuse': { path: 'daemon/x.ts', text: joined(HEAD, '// good enough for', ' now\n'), rule: 'no-unfinished' },
  "a path of a developer's machine": { path: 'docs/guide.md', text: joined('cd /ho', 'me/someone/cloister\n'), rule: 'no-machine-path' },
  'a skipped test': { path: 'test/unit/x.test.ts', text: joined('test.', "skip('x', () => {});\n"), rule: 'no-skipped-test' },
  'a focused suite': { path: 'test/unit/x.test.ts', text: joined('describe.', "only('x', () => {});\n"), rule: 'no-skipped-test' },
  'a test that is skipped by a condition': {
    path: 'test/unit/x.test.ts',
    text: joined('test.', "skipIf(true)('x', f);\n"),
    rule: 'no-skipped-test',
  },
  'a retried test': { path: 'test/unit/x.test.ts', text: joined('{ ret', 'ry: 2 }\n'), rule: 'no-skipped-test' },
  'a test in a folder that no project runs': { path: 'test/contract/x.test.ts', text: '\n', rule: 'test-is-run' },
  'a test beside the code': { path: 'daemon/exec/x.test.ts', text: HEAD, rule: 'test-is-run' },
  'a spec file': { path: 'test/unit/x.spec.ts', text: '\n', rule: 'test-is-run' },
  'a module without a first comment': { path: 'daemon/x.ts', text: 'export const a = 1;\n', rule: 'module-opens-with-comment' },
  'a C file without a first comment or header': {
    path: 'images/init/x.c',
    text: '#include <stdio.h>\n',
    rule: 'module-opens-with-comment',
  },
  'state at module level': { path: 'daemon/x.ts', text: `${HEAD}let count = 0;\n`, rule: 'no-module-state' },
  'a file called utils': { path: 'client/utils.ts', text: HEAD, rule: 'file-name' },
  'a file called types': { path: 'daemon/exec/types.ts', text: HEAD, rule: 'file-name' },
  'carriage returns': { path: 'README.md', text: 'a\r\n', rule: 'text-form' },
  'a last line without an end': { path: 'README.md', text: 'a', rule: 'text-form' },
};

describe('the rules of the repository', () => {
  test.each(Object.entries(CASES))('refuse %s', (_, { path, text, rule }) => {
    expect(rulesBroken(path, text)).toContain(rule);
  });

  test('each has a case that breaks it', () => {
    expect([...new Set(Object.values(CASES).map((entry) => entry.rule))].toSorted()).toEqual(Object.keys(RULES).toSorted());
  });

  test('accept an ordinary module, test and document', () => {
    expect(rulesBroken('daemon/exec/outcome.ts', `${HEAD}\nexport const LIMIT = 16;\n`)).toEqual([]);
    expect(rulesBroken('images/init/clock.c', '#include "clock.h"\n')).toEqual([]);
    expect(rulesBroken('test/unit/exec/outcome.test.ts', "test('a command ends once', () => {});\n")).toEqual([]);
    expect(rulesBroken('README.md', 'Files live in /workspace/src.\n')).toEqual([]);
  });

  test('name the line', () => {
    expect(checkFile({ path: 'a.md', text: joined('one\n', 'FIX', 'ME\n') })).toEqual([
      expect.objectContaining({ line: 2, rule: 'no-unfinished' }),
    ]);
  });
});
