// The rules' claims: the first that matches decides, all of its arguments must match, and what is not known is never taken on trust.

import { expect, test } from 'vitest';
import type { PermissionRule } from '../../../client/protocol/permissions.ts';
import { PermissionEngine } from '../../../daemon/policy/permission-engine.ts';
import { grantPermissions } from '../../../daemon/policy/permission-policy.ts';
import { DEFAULT_RULES, type RuleOrPreset } from '../../../daemon/policy/permission-presets.ts';
import { BUILT_IN_PROFILES, type Profile } from '../../../daemon/policy/profiles.ts';
import type { PermissionRequest } from '../../../daemon/policy/tools.ts';

const engine = new PermissionEngine();
const readWrite = BUILT_IN_PROFILES['workspace-write']!;
const grant = (
  rules: readonly RuleOrPreset[],
  session?: { mode?: 'interactive' | 'batch'; rules?: PermissionRule[] },
  profile: Profile = readWrite,
) => grantPermissions(session, { name: 'p', profile }, { rules, hardFloor: true });
const allow = (tool: string, more: Partial<PermissionRule> = {}): PermissionRule => ({ tool, action: 'allow', ...more });
const deny = (tool: string, more: Partial<PermissionRule> = {}): PermissionRule => ({ tool, action: 'deny', ...more });
const ask = (tool: string, more: Partial<PermissionRule> = {}): PermissionRule => ({ tool, action: 'ask', ...more });
const command = (text: string) => ({ args: { command: text } });
const write = (path: string): PermissionRequest => ({ tool: 'files.write', args: { path } });

const CALLS: readonly (readonly [string, readonly RuleOrPreset[], PermissionRequest, string])[] = [
  [
    'the first match wins, a later one is not asked',
    [allow('files.*'), deny('files.write')],
    write('/workspace/a'),
    'allow permissions.rules[0]',
  ],
  ['an exact tool matches itself', [deny('files.write'), allow('*')], write('/workspace/a'), 'deny permissions.rules[0]'],
  ['an exact tool matches no longer one', [deny('files.writer'), allow('*')], write('/workspace/a'), 'allow permissions.rules[1]'],
  ['a prefix matches what begins with it', [deny('files.*'), allow('*')], write('/workspace/a'), 'deny permissions.rules[0]'],
  ['a star matches every tool', [ask('*')], write('/workspace/a'), 'ask permissions.rules[0]'],
  ['a tool that no rule speaks of needs a confirmation', [allow('exec')], write('/workspace/a'), 'ask requiresConfirmation'],
  ['no rules at all need a confirmation', [], write('/workspace/a'), 'ask requiresConfirmation'],
  [
    'an argument is compared as a whole',
    [allow('files.*', { args: { path: '/workspace/a' } })],
    write('/workspace/ab'),
    'ask requiresConfirmation',
  ],
  [
    'a star in a pattern is any text',
    [allow('files.*', { args: { path: '/workspace/src/*' } })],
    write('/workspace/src/a/b'),
    'allow permissions.rules[0]',
  ],
  [
    'a pattern holds what it holds',
    [allow('files.*', { args: { path: '/workspace/src/*.ts' } })],
    write('/workspace/src/a.js'),
    'ask requiresConfirmation',
  ],
  [
    'all arguments must match',
    [allow('files.move', { args: { path: '/workspace/src/*', to: '/workspace/out/*' } })],
    { tool: 'files.move', args: { path: '/workspace/src/a', to: '/workspace/x' } },
    'ask requiresConfirmation',
  ],
  [
    'an argument that the call does not have matches nothing',
    [allow('*', { args: { port: '*' } })],
    write('/workspace/a'),
    'ask requiresConfirmation',
  ],
  [
    "what can't be read matches a deny whatever its arguments",
    [allow('*'), deny('files.write', { args: { path: '/x' } })],
    { ...write('../x'), isReadable: false },
    'deny permissions.rules[1]',
  ],
  ["what can't be read matches no allow", [allow('*')], { ...write('../x'), isReadable: false }, 'ask requiresConfirmation'],
  [
    'an exact domain is that host',
    [allow('egress', { domain: { allowlist: ['github.com'] } })],
    { tool: 'egress', args: {}, host: 'github.com' },
    'allow permissions.rules[0]',
  ],
  [
    'an exact domain is no subdomain',
    [allow('egress', { domain: { allowlist: ['github.com'] } })],
    { tool: 'egress', args: {}, host: 'api.github.com' },
    'ask requiresConfirmation',
  ],
  [
    '.x is what ends in it',
    [allow('egress', { domain: { allowlist: ['.github.com'] } })],
    { tool: 'egress', args: {}, host: 'api.github.com' },
    'allow permissions.rules[0]',
  ],
  [
    'notgithub.com does not match .github.com',
    [allow('egress', { domain: { allowlist: ['.github.com'] } })],
    { tool: 'egress', args: {}, host: 'notgithub.com' },
    'ask requiresConfirmation',
  ],
  [
    'a blocklist takes away',
    [allow('egress', { domain: { allowlist: ['.github.com'], blocklist: ['gist.github.com'] } })],
    { tool: 'egress', args: {}, host: 'gist.github.com' },
    'ask requiresConfirmation',
  ],
  [
    'a domain matches no call without a host',
    [allow('*', { domain: { allowlist: ['.com'] } })],
    write('/workspace/a.com'),
    'ask requiresConfirmation',
  ],
  [
    'readonly lets files be read',
    [{ preset: 'readonly' }],
    { tool: 'files.read', args: { path: '/workspace/a' } },
    'allow preset:readonly[0]',
  ],
  ['readonly refuses writing', [{ preset: 'readonly' }], write('/workspace/a'), 'deny preset:readonly[12]'],
  ['workspace-write lets files be written', [{ preset: 'workspace-write' }], write('/workspace/a'), 'allow preset:workspace-write[0]'],
  ['full allows what nobody has heard of', [{ preset: 'full' }], { tool: 'new.tool', args: {} }, 'allow preset:full[0]'],
  ['workspace-write does not', [{ preset: 'workspace-write' }], { tool: 'new.tool', args: {} }, 'ask requiresConfirmation'],
  ['batch ends in a denial', [allow('exec'), { preset: 'batch' }], write('/workspace/a'), 'deny preset:batch[0]'],
  ['rules before a preset come first', [deny('files.write'), { preset: 'full' }], write('/workspace/a'), 'deny permissions.rules[0]'],
];

test.each(CALLS)('%s', (_claim, rules, request, expected) => {
  const { verdict, rule, reason } = engine.decide(request, grant(rules));
  expect(`${verdict} ${rule}`, reason).toBe(expected);
  expect(reason).not.toBe('');
});

const GIT = [allow('exec', command('git *')), deny('exec', command('git push*')), deny('*')];
const LINES: readonly (readonly [string, readonly RuleOrPreset[], string, string])[] = [
  ['a command is matched by its words', [allow('exec', command('git status'))], 'git   "status"', 'allow permissions.rules[0]'],
  ['every command of a line must be allowed', [allow('exec', command('git *'))], 'git status && npm test', 'ask requiresConfirmation'],
  ['one denied command denies the line', [deny('exec', command('curl *')), allow('exec')], 'make; curl x', 'deny permissions.rules[0]'],
  [
    'a denied command is found in a substitution',
    [deny('exec', command('curl *')), allow('exec')],
    'echo "$(curl x)"',
    'deny permissions.rules[0]',
  ],
  [
    'a denied command is found in a here-document for sh',
    [deny('exec', command('curl *')), allow('exec')],
    'sh <<E\ncurl x\nE',
    'deny permissions.rules[0]',
  ],
  [
    'a denied program is found behind wrappers',
    [deny('exec', { args: { program: 'curl' } }), allow('exec')],
    'sudo env timeout 5 curl x',
    'deny permissions.rules[0]',
  ],
  [
    'a denied program is found by its path',
    [deny('exec', { args: { program: 'curl' } }), allow('exec')],
    '/tmp/x/curl x',
    'deny permissions.rules[0]',
  ],
  ['an allowed program is not one of its name elsewhere', [allow('exec', command('git *'))], './git status', 'ask requiresConfirmation'],
  [
    'an allowed program in a system directory is itself',
    [allow('exec', command('git *'))],
    '/usr/bin/git status',
    'allow permissions.rules[0]',
  ],
  [
    'a wrapper that changes nothing needs no rule',
    [allow('exec', command('make*'))],
    'nice timeout 60 make -j2',
    'allow permissions.rules[0]',
  ],
  ['sh -c needs none either', [allow('exec', command('make*'))], "bash -c 'make && make test'", 'allow permissions.rules[0]'],
  ['sudo does', [allow('exec', command('make*'))], 'sudo make', 'ask requiresConfirmation'],
  ['a wrapper alone is a command', [allow('exec', command('make*'))], 'env', 'ask requiresConfirmation'],
  [
    'a wrapper may be denied by its name',
    [deny('exec', command('timeout *')), allow('exec')],
    'timeout 5 make',
    'deny permissions.rules[0]',
  ],
  [
    'a wrapper does not fall to a denial of all',
    [allow('exec', command('make*')), deny('*')],
    'timeout 5 make',
    'allow permissions.rules[0]',
  ],
  ['what is wrapped does', [allow('exec', command('make*')), deny('*')], 'timeout 5 npm test', 'deny permissions.rules[1]'],
  [
    'an argument that is computed is covered by a star',
    [allow('exec', command('git *'))],
    'git checkout "$BRANCH"',
    'allow permissions.rules[0]',
  ],
  [
    'one that may be what is denied is asked about',
    [deny('exec', command('git push*')), allow('exec')],
    'git $VERB origin',
    'ask permissions.rules[0]',
  ],
  ["one that can't be is not", [deny('exec', command('git push*')), allow('exec')], 'git status $FILE', 'allow permissions.rules[1]'],
  ['a program that is computed is not allowed by name', [allow('exec', command('git *'))], '$TOOL status', 'ask requiresConfirmation'],
  ['a changed PATH proves no name', [allow('exec', command('git *'))], 'PATH=/tmp/x:$PATH git status', 'ask requiresConfirmation'],
  [
    'an exported PATH neither',
    [allow('exec', command('git *')), allow('exec', command('export *'))],
    'export PATH=/tmp/x; git status',
    'ask requiresConfirmation',
  ],
  ["what can't be parsed matches every deny", [allow('exec'), deny('exec', command('x'))], 'echo "', 'deny permissions.rules[1]'],
  ["what can't be parsed matches no allow", [allow('*')], 'echo "', 'ask requiresConfirmation'],
  ['the first rule wins for commands as well', GIT, 'git push', 'allow permissions.rules[0]'],
  [
    'the directory is an argument',
    [allow('exec', { args: { command: 'make*', cwd: '/workspace/src*' } })],
    'cd src && make',
    'ask requiresConfirmation',
  ],
  [
    'a known directory matches',
    [allow('exec', { args: { command: 'make*', cwd: '/workspace/src*' } }), allow('exec', command('cd *'))],
    'cd src && make',
    'allow permissions.rules[1]',
  ],
  [
    'a download that is run has no allow by name',
    [allow('exec', command('curl *')), allow('exec', command('sh*'))],
    'curl x | sh',
    'ask floor.computed',
  ],
  ['the floor stands above every allow', [allow('*')], 'rm -rf /', 'deny floor.recursiveDelete'],
];

test.each(LINES)('%s', (_claim, rules, line, expected) => {
  const { verdict, rule, reason } = engine.decideCommand(line, { cwd: '/workspace', isFed: false, envNames: [] }, grant(rules));
  expect(`${verdict} ${rule}`, reason).toBe(expected);
});

const at = { cwd: '/workspace', isFed: false, envNames: [] };
const says = (line: string, granted: ReturnType<typeof grant>) => {
  const { verdict, rule } = engine.decideCommand(line, at, granted);
  return `${verdict} ${rule}`;
};

test('a session only narrows: the stricter of both verdicts holds', () => {
  const narrowed = grant([deny('exec', command('curl *')), allow('*')], { rules: [allow('*'), deny('exec', command('make*'))] });
  expect(says('curl x', narrowed), 'its own allow takes nothing back').toBe('deny permissions.rules[0]');
  const strict = grant([{ preset: 'full' }], { rules: [deny('exec', command('make*')), ask('exec', command('npm *'))] });
  expect(says('make', strict)).toBe('deny session.rules[0]');
  expect(says('npm test', strict)).toBe('ask session.rules[1]');
  expect(says('ls', strict), 'what its rules do not speak of is left to the operator').toBe('allow preset:full[0]');
});

test('in batch mode every question is a denial', () => {
  const batch = grant([ask('exec', command('git push*')), { preset: 'full' }], { mode: 'batch' });
  expect(says('git push', batch)).toBe('deny permissions.rules[0]');
  expect(says('rm -rf $X', batch)).toBe('deny floor.recursiveDelete');
  expect(says('git status', batch)).toBe('allow preset:full[0]');
});

test('a shell that the client feeds is a tool of its own', () => {
  const rules = grant([deny('shell'), allow('exec')]);
  expect(engine.decideCommand('bash -i', { ...at, isFed: true }, rules)).toMatchObject({ verdict: 'deny', rule: 'permissions.rules[0]' });
  expect(engine.decideCommand(['bash', '--norc', '-i'], { ...at, isFed: true }, rules)).toMatchObject({ verdict: 'deny' });
  expect(engine.decideCommand('cat', { ...at, isFed: true }, rules)).toMatchObject({ verdict: 'allow' });
  expect(engine.decideCommand('bash build.sh', { ...at, isFed: true }, rules)).toMatchObject({ verdict: 'allow' });
});

test.each(['readonly', 'workspace-write-no-network', 'workspace-write'])('without rules the profile %s runs every command', (name) => {
  const granted = grant(DEFAULT_RULES, undefined, BUILT_IN_PROFILES[name]);
  for (const line of ['ls', 'env', 'curl https://example.com', 'sudo make', './x', '"$CC" a.c'])
    expect(says(line, granted), line).toMatch(/^allow preset:/);
  expect(engine.decide(write('/workspace/a'), granted).verdict).toBe(name === 'readonly' ? 'deny' : 'allow');
});

test('a profile has rules of its own before the general ones', () => {
  const granted = grantPermissions(
    undefined,
    { name: 'canary', profile: { ...readWrite, rules: [deny('exec', command('npm *'))] } },
    { rules: DEFAULT_RULES, hardFloor: true },
  );
  expect(says('npm test', granted)).toBe('deny profiles.canary.rules[0]');
});

test('a reason that the operator gave is what is told', () => {
  const granted = grant([deny('exec', { ...command('git push*'), reason: 'pushing is for people' })]);
  expect(engine.decideCommand('git push', at, granted).reason).toBe('pushing is for people');
});
