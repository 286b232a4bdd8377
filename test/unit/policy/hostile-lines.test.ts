// However a line of 100 KiB is made up, reading it ends within bounds that grow with its length alone, and what was found up to
// there counts.

import { expect, test } from 'vitest';
import { PermissionEngine } from '../../../daemon/policy/permission-engine.ts';
import { grantPermissions } from '../../../daemon/policy/permission-policy.ts';
import { BUILT_IN_PROFILES } from '../../../daemon/policy/profiles.ts';
import { analyze } from '../../../daemon/policy/shell/analyze.ts';
import { warmUp } from '../../../daemon/policy/shell/warm-up.ts';
import { HOSTILE_LINES } from '../../support/hostile-lines.ts';

const context = { cwd: '/workspace', isFed: false, envNames: [] };
const profile = { name: 'workspace-write', profile: BUILT_IN_PROFILES['workspace-write']! };
const granted = grantPermissions(undefined, profile, { rules: [{ preset: 'profile' }], hardFloor: true });
const names = [...HOSTILE_LINES.keys()];

test.each(names)('little is kept of a line of %s', (name) => {
  const { commands, findings, unparseable } = analyze(HOSTILE_LINES.get(name) ?? '', context);
  expect(commands.length).toBeLessThanOrEqual(1000);
  expect(commands.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThan(2 * 1024 * 1024);
  expect(findings.length).toBeLessThanOrEqual(1100);
  expect(unparseable).not.toBe('');
});

test.each([
  'a function of a long word',
  'a function of a long quoted word',
  'a function with a long argument',
  'a script with a long argument',
  'loops in a loop about a long word',
  'a loop with many redirections',
  'a long text that many commands read',
  'long words in front of braces',
  'wrappers of a long word',
])('%s is too much to follow, so it is asked about, and refused with a destructive command before it', (name) => {
  const line = HOSTILE_LINES.get(name) ?? '';
  const engine = new PermissionEngine();
  expect(analyze(line, context).unparseable).toBe('it is too much to follow');
  expect(engine.decideCommand(line, context, granted).verdict).toBe('ask');
  expect(engine.decideCommand(`rm -rf /etc\n${line}`, context, granted)).toMatchObject({ verdict: 'deny', rule: 'floor.recursiveDelete' });
});

test('loops, functions and variables of ordinary size are followed to their end', () => {
  const body = 'cp "$src/$i" "$dst/$i" && gzip -k "$dst/$i" && echo "done with $i" >> build.log; '.repeat(8);
  const script = `src=in dst=out; pack() { ${body} }; for i in a b c d e f g h i j k l m n o p; do ${body} done; pack 1; pack 2\nrm -rf /etc`;
  expect(analyze(script, context)).toMatchObject({ unparseable: null, findings: [{ verdict: 'hit', class: 'recursiveDelete' }] });
});

test('a directory that is deeper than anybody goes is not known', () => {
  const { commands } = analyze(`cd ${'a/'.repeat(600)}; make`, context);
  expect(commands.at(-1)).toMatchObject({ program: 'make', cwd: null });
});

test('braces are expanded in one pass: those that only open, and those that would be too many', () => {
  const wordsOf = (line: string) => analyze(line, context).commands[0]?.words;
  expect(wordsOf(`echo ${'{a'.repeat(1000)},b}`)).toEqual(['echo', `${'{a'.repeat(999)}a`, `${'{a'.repeat(999)}b`]);
  expect(wordsOf('echo {x,{1..3}}{,"y z"}')).toEqual(['echo', 'x', 'xy z', '1', '1y z', '2', '2y z', '3', '3y z']);
  expect(wordsOf('echo {{1..250},a}{1..250}')).toEqual(['echo', '\uE000']);
});

test('warming up reads every kind of line to its end', () => {
  expect(warmUp()).toEqual([]);
});
