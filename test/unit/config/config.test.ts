// Configuration: the same from file, environment and options, every problem listed, nothing guessed.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Config } from '../../../daemon/config.ts';
import { ConfigError, loadConfig } from '../../../daemon/load-config.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'config-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
function fileOf(content: unknown): string {
  files += 1;
  const path = join(directory, `${files}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}
const load = (content?: unknown, env: Record<string, string> = {}, options = {}) =>
  loadConfig({ file: content === undefined ? undefined : fileOf(content), env, options });

function problems(content?: unknown, env: Record<string, string> = {}): readonly string[] {
  try {
    load(content, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((problem) => problem.replace(/^\/.*\.json: /, 'FILE: '));
    throw error;
  }
}

const name = fc.constantFrom('1', 'true', 'null', 'runc', 'a.b-c_d', '007', '1e5');
const VALUES: Record<string, fc.Arbitrary<unknown>> = {
  listen: fc.constantFrom('127.0.0.1:0', '[::1]:80', 'localhost:7070'),
  stateDir: fc.constantFrom('/x', '/var/lib/y'),
  'engine.private': fc.constantFrom('auto', 'always', 'never'),
  'images.allow': fc.dictionary(name, fc.string({ maxLength: 5 }), { maxKeys: 3 }),
  'defaults.limits': fc.record({ pids: fc.integer({ min: 16, max: 99 }), cpus: fc.constantFrom(0.5, 1, 2) }, { requiredKeys: [] }),
  'ceilings.perTenant': fc.record({ sandboxes: fc.integer({ min: 1, max: 9 }) }),
  'ceilings.host': fc.record({ cpus: fc.constantFrom(0.5, 64) }),
  'pool.maxSessions': fc.integer({ min: 1, max: 10_000 }),
  'pool.ttlMs': fc.option(fc.integer({ min: 1000, max: 100_000 })),
  'ports.domain': fc.constantFrom('localhost', '123', 'example.com:80'),
  'workspace.uidRange': fc.constantFrom([1000, 2000], [200_000, 200_000]),
  origins: fc.constantFrom([], ['https://a.example'], ['http://a.example:8080', 'https://b.example']),
  onExit: fc.constantFrom('keep', 'close'),
  drainMs: fc.nat(3_600_000),
};

test('a key means the same in the environment as in the file, names that look like numbers too', () => {
  const chosen = fc.record(VALUES, { requiredKeys: [] });
  fc.assert(
    fc.property(chosen, (values) => {
      const content: Record<string, unknown> = {};
      const env: Record<string, string> = {};
      for (const [path, value] of Object.entries(values)) {
        const [head = '', tail] = path.split('.');
        if (tail === undefined) content[head] = value;
        else content[head] = { ...(content[head] as object | undefined), [tail]: value };
        env[
          `CLOISTER_${path
            .replaceAll('.', '_')
            .replaceAll(/[A-Z]/g, (letter) => `_${letter}`)
            .toUpperCase()}`
        ] = typeof value === 'string' ? value : JSON.stringify(value);
      }
      expect(load(undefined, env)).toEqual(load(content));
    }),
    { numRuns: 60 },
  );
});

test('nothing given is a whole configuration', () => {
  expect(load()).toEqual(Config.parse({}));
});

test('the environment wins over the file, an option over both, each by its own key', () => {
  const config = load(
    { pool: { maxSessions: 3, idleMs: 5000 }, listen: 'a:1' },
    { CLOISTER_POOL_MAX_SESSIONS: '4', CLOISTER_LISTEN: 'b:2' },
    { listen: 'c:3' },
  );
  expect([config.pool.maxSessions, config.pool.idleMs, config.listen]).toEqual([4, 5000, 'c:3']);
});

test('variables of the client and of others are none of its business', () => {
  expect(problems(undefined, { CLOISTER_URL: 'x', CLOISTER_TOKEN: 'x', CLOISTER_CONFIG: 'x', PATH: 'x', HOME: 'x' })).toEqual([]);
});

describe('is refused', () => {
  test.each<[string, unknown, Record<string, string>, string[]]>([
    ['an unknown key', { privileged: true }, {}, ['(top): Unrecognized key: "privileged"']],
    ['an unknown key below', { pool: { size: 1 } }, {}, ['pool: Unrecognized key: "size"']],
    ['an unknown variable', undefined, { CLOISTER_POOL_SIZE: '1' }, ['CLOISTER_POOL_SIZE: no such key']],
    ['an empty variable', undefined, { CLOISTER_LISTEN: '' }, ['listen: must be HOST:PORT']],
    ['a file that is no JSON', '{', {}, ["FILE: Expected property name or '}' in JSON at position 1"]],
    ['a file that is no object', '[]', {}, ['FILE: is not a JSON object']],
    ['a relative state directory', { stateDir: 'x' }, {}, ['stateDir: must be an absolute path']],
    [
      'a state directory too long for the sockets below it',
      { stateDir: `/${'x'.repeat(48)}` },
      {},
      ['stateDir: Too big: expected string to have <=48 characters'],
    ],
    [
      'a profile that redefines a built-in one',
      { profiles: { readonly: { workspace: 'rw', network: 'none', seccomp: 'strict' } } },
      {},
      ['profiles: redefines a built-in profile'],
    ],
    [
      'spares of a profile, an image and a runtime that do not exist',
      { pool: { warm: { size: 1, profiles: ['mine'], images: ['theirs'], runtimes: ['runsc'] } } },
      {},
      [
        'pool.warm.profiles: mine is neither built in nor in profiles',
        'pool.warm.images: theirs is not in images.allow',
        'pool.warm.runtimes: runsc is not in engine.runtimes',
      ],
    ],
    [
      'a default profile that does not exist',
      { defaults: { profile: 'mine' } },
      {},
      ['defaults.profile: mine is neither built in nor in profiles'],
    ],
    [
      'a template of E2B with a profile that does not exist',
      { compat: { e2b: { templates: { python: { profile: 'mine' } } } } },
      {},
      ['compat.e2b.templates.python.profile: mine is neither built in nor in profiles'],
    ],
    [
      'a default profile that every object has',
      { defaults: { profile: 'constructor' } },
      {},
      ['defaults.profile: constructor is neither built in nor in profiles'],
    ],
    ['a default image that is not allowed', { defaults: { image: 'mine' } }, {}, ['defaults.image: mine is not in images.allow']],
    ['a default runtime that is not offered', { engine: { runtime: 'runsc' } }, {}, ['engine.runtime: runsc is not in engine.runtimes']],
    [
      'a default above its maximum',
      { ceilings: { perSandbox: { pids: 100 } } },
      {},
      ['defaults.limits.pids: 256 is above ceilings.perSandbox.pids, 100'],
    ],
    [
      'a range of uids that is none',
      { workspace: { uidRange: [3000, 2000] } },
      {},
      ['workspace.uidRange: the first uid is above the last'],
    ],
    ['uids of the system', { workspace: { uidRange: [0, 2000] } }, {}, ['workspace.uidRange.0: Too small: expected number to be >=1000']],
    [
      'an origin whose pages have none, so that every sandboxed frame would get in',
      { origins: ['file:///x'] },
      {},
      ['origins.0: must be an origin of http or https'],
    ],
    ['an origin that is a script', { origins: ['javascript:alert(1)'] }, {}, ['origins.0: must be an origin of http or https']],
    [
      'several things at once, all of them named',
      { listen: 'x', drainMs: -1 },
      { CLOISTER_NO: '1' },
      ['CLOISTER_NO: no such key', 'listen: must be HOST:PORT', 'drainMs: Too small: expected number to be >=0'],
    ],
  ])('%s', (_, content, env, expected) => {
    expect(problems(content, env).map((problem) => problem.replace(/ \(line.*/, ''))).toEqual(expected);
  });

  test('a file that is not there', () => {
    expect(() => loadConfig({ file: '/nowhere/config.json', env: {}, options: {} })).toThrow('/nowhere/config.json: ENOENT');
  });
});

test('__proto__ in a file changes no object', () => {
  problems('{"__proto__": {"polluted": true}, "pool": {"__proto__": {"polluted": true}}}', { CLOISTER_POOL_MAX_SESSIONS: '3' });
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});
