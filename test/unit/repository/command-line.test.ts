// The README names the verbs that the command line has, and no other.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { cliOutput } from '../../support/cli-output.ts';

test('the README has a row for every verb of the command line', async () => {
  const commands = (await cliOutput(['--help'])).split('Commands:')[1] ?? '';
  const verbs = [...commands.matchAll(/^ {2}([a-z]+)\b/gm)].map((match) => match[1] ?? '').filter((verb) => verb !== 'help');
  const section = readFileSync('README.md', 'utf8').split('## The command line')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  const named = rows.flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`([a-z]+)/g)].map((match) => match[1] ?? ''));
  expect(named.toSorted()).toEqual(verbs.toSorted());
});
