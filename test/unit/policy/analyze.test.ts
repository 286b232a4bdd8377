// Reading a line is total: whatever it is given, it answers, within bounds, and what it could not follow says so.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { analyze } from '../../../daemon/policy/shell/analyze.ts';
import { PermissionEngine } from '../../../daemon/policy/permission-engine.ts';
import { grantPermissions } from '../../../daemon/policy/permission-policy.ts';
import { BUILT_IN_PROFILES } from '../../../daemon/policy/profiles.ts';

const context = { cwd: '/workspace', isFed: false, envNames: [] };
const LENGTH = 100 * 1024;
const repeat = (text: string): string => text.repeat(Math.ceil(LENGTH / text.length)).slice(0, LENGTH);

const PIECES = [
  ...[
    'rm',
    '-rf',
    '/',
    ' ',
    ';',
    '\n',
    '|',
    '&',
    '&&',
    '(',
    ')',
    '{',
    '}',
    '$',
    '$(',
    '${',
    '`',
    '"',
    "'",
    '\\',
    '<<A',
    '\nA\n',
    '<(',
    '((',
    '))',
  ],
  ...[
    'if ',
    'then ',
    'fi',
    'for a in ',
    'do ',
    'done',
    'case ',
    'esac',
    'f() ',
    'eval ',
    'sh -c ',
    'sudo ',
    'xargs ',
    'a=',
    '$a',
    '*',
    '?',
    '[',
    ']',
    '~',
    '#',
    '\u0000',
    '\uE000',
    '😀',
    'é',
  ],
];

test('any text is read to an answer', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 60 }), (pieces) => {
      const line = analyze(pieces.join(''), context);
      expect(line.commands.length).toBeLessThanOrEqual(1000);
    }),
    { numRuns: 1000 },
  );
});

test('any argv is read to an answer', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(...PIECES), fc.string()), { minLength: 1, maxLength: 40 }), (argv) => {
      expect(analyze(argv, context).findings.length).toBeLessThanOrEqual(1000);
    }),
    { numRuns: 500 },
  );
});

test('a destructive command is found whatever harmless text surrounds it', () => {
  const harmless = fc.constantFrom('ls', 'echo "a b"', "printf '%s' x", 'cd src', 'x=1', 'true', '# note', 'cat <<E\ntext\nE');
  const profile = { name: 'workspace-write', profile: BUILT_IN_PROFILES['workspace-write']! };
  const granted = grantPermissions(undefined, profile, { rules: [{ preset: 'full' }], hardFloor: true });
  const engine = new PermissionEngine();
  fc.assert(
    fc.property(fc.array(harmless, { maxLength: 8 }), fc.array(harmless, { maxLength: 8 }), (before, after) => {
      const text = [...before, 'rm -rf /etc', ...after].join('\n');
      expect(engine.decideCommand(text, context, granted).verdict).toBe('deny');
    }),
    { numRuns: 300 },
  );
});

test.each([
  ['substitutions that do not end', repeat('$(')],
  ['substitutions in substitutions', `${'$('.repeat(LENGTH / 3)}x${')'.repeat(LENGTH / 3)}`],
  ['backticks', repeat('`')],
  ['parameters in parameters', repeat('${a:-')],
  ['arithmetic that does not end', repeat('$((')],
  ['here-documents without end', repeat('cat <<A;')],
  ['commands', repeat('echo hello world; ')],
  ['expansions', `echo ${repeat('$a ')}`],
  ['doubling assignments', repeat('a=$a$a;')],
  ['loops in loops', repeat('for a in 1 2 3 4 5 6 7 8 9; do ')],
  ['functions that call two each', Array.from({ length: 200 }, (_, at) => `f${at}() { f${at + 1}; f${at + 1}; }`).join(';')],
  ['wrappers', `${'sudo '.repeat(LENGTH / 5)}x`],
  ['evals', `${'eval '.repeat(LENGTH / 5)}x`],
  ['coprocesses', repeat('coproc ')],
])('100 KiB of %s are given up, or followed within the bounds', (_what, text) => {
  const { commands, unparseable } = analyze(text, context);
  expect(commands.length).toBeLessThanOrEqual(1000);
  expect(unparseable).not.toBe('');
});

test('what is given up is asked about by default', () => {
  const profile = { name: 'workspace-write', profile: BUILT_IN_PROFILES['workspace-write']! };
  const granted = grantPermissions(undefined, profile, { rules: [{ preset: 'profile' }], hardFloor: true });
  const decision = new PermissionEngine().decideCommand(repeat('echo a; '), context, granted);
  expect(decision).toMatchObject({ verdict: 'ask', rule: 'requiresConfirmation' });
  expect(decision.reason).toMatch(/^it can't be read: it has more than \d+ commands$/);
});
