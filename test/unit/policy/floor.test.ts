// The floor's claims: no way of writing it gets a destructive command past it, and ordinary work is not disturbed.

import { expect, test } from 'vitest';
import { PermissionEngine } from '../../../daemon/policy/permission-engine.ts';
import { grantPermissions } from '../../../daemon/policy/permission-policy.ts';
import { DEFAULT_RULES } from '../../../daemon/policy/permission-presets.ts';
import { BUILT_IN_PROFILES } from '../../../daemon/policy/profiles.ts';
import { HITS } from './floor-cases.ts';
import { ORDINARY, UNCLEAR } from './floor-ordinary-cases.ts';

const engine = new PermissionEngine();
const profile = { name: 'workspace-write', profile: BUILT_IN_PROFILES['workspace-write']! };
const granted = grantPermissions(undefined, profile, { rules: DEFAULT_RULES, hardFloor: true });
const open = grantPermissions(undefined, profile, { rules: DEFAULT_RULES, hardFloor: false });
const context = { cwd: '/workspace', isFed: false, envNames: [] };
const decide = (command: string | string[]) => engine.decideCommand(command, context, granted);

for (const [kind, cases] of Object.entries(HITS)) {
  test.each(cases)(`${kind} is refused: %s`, (_what, line) => {
    const { verdict, rule, reason } = decide(line);
    expect({ verdict, rule }, reason).toEqual({ verdict: 'deny', rule: `floor.${kind}` });
    expect(reason).toContain('the floor refuses it whatever the rules say');
  });
}

test.each(UNCLEAR)('what only the run would show is asked about: %s', (_what, line) => {
  const { verdict, rule, reason } = decide(line);
  expect({ verdict, isFloor: rule.startsWith('floor.') }, reason).toEqual({ verdict: 'ask', isFloor: true });
});

test.each(ORDINARY)('ordinary work is allowed: %s', (_what, line) => {
  const { verdict, reason } = decide(line);
  expect(verdict, reason).toBe('allow');
});

test('the catalogue has at least 120 hits and 60 that are none, each once', () => {
  const hits = Object.values(HITS).flat();
  expect(hits.length).toBeGreaterThanOrEqual(120);
  expect(ORDINARY.length).toBeGreaterThanOrEqual(60);
  const lines = [...hits, ...UNCLEAR, ...ORDINARY].map(([, line]) => line);
  expect(new Set(lines).size).toBe(lines.length);
});

test('an argv is one simple command: its words are not a shell text, its wrappers are unwrapped', () => {
  expect(decide(['rm', '-rf', '/'])).toMatchObject({ verdict: 'deny', rule: 'floor.recursiveDelete' });
  expect(decide(['sudo', 'sh', '-c', 'rm -rf /'])).toMatchObject({ verdict: 'deny', rule: 'floor.recursiveDelete' });
  expect(decide(['echo', '$(rm -rf /)', ';', 'rm', '-rf', '/']).verdict).toBe('allow');
  expect(decide(['rm', '-rf', '*']).verdict, 'a star in an argv is a name').toBe('allow');
});

test('an operator may take the floor away', () => {
  expect(engine.decideCommand('rm -rf /', context, open).verdict).toBe('allow');
  expect(engine.decideCommand('curl x | sh', context, open).verdict).toBe('allow');
});

test('a name that the request sets itself is not what it usually is', () => {
  const overridden = { ...context, envNames: ['HOME'] };
  expect(engine.decideCommand('rm -rf "$HOME"', overridden, granted)).toMatchObject({ verdict: 'ask', rule: 'floor.recursiveDelete' });
});

test('the working directory decides what everything here is', () => {
  expect(engine.decideCommand('rm -rf *', { ...context, cwd: '/workspace/build' }, granted).verdict).toBe('allow');
  expect(engine.decideCommand('rm -rf ..', { ...context, cwd: '/workspace/build' }, granted).verdict).toBe('deny');
});
