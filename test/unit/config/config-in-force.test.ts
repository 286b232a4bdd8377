// Changing the configuration while the daemon runs: all of it or nothing, taken back at once, on record.

import { expect, test } from 'vitest';
import { ConfigInForce } from '../../../daemon/config-in-force.ts';
import type { Config } from '../../../daemon/config.ts';
import { ConfigError, loadConfig } from '../../../daemon/load-config.ts';
import { maskedConfig } from '../../../daemon/mask-config.ts';
import { FakeAudit, silentLog } from '../../support/fake-sandbox.ts';

const load = (options: Record<string, unknown> = {}): Config => loadConfig({ file: undefined, env: {}, options });
const deny = { tool: 'exec', action: 'deny' };

function unreadable(): never {
  throw new ConfigError(['x.json: not JSON']);
}

function inForce(verify: (config: Config) => void = () => undefined) {
  const audit = new FakeAudit();
  const next = { load: () => load() };
  const configuration = new ConfigInForce({ initial: load(), load: () => next.load(), verify, audit: audit.log, log: silentLog });
  return { configuration, audit, next };
}

test('a change holds, is on record with both hashes, and is taken back by one step', () => {
  const { configuration, audit, next } = inForce();
  const before = configuration.print().sha256;
  expect(configuration.print().canRevert).toBe(false);
  next.load = () => load({ permissions: { rules: [deny] } });
  expect(configuration.reload('SIGHUP')).toMatchObject({ changed: ['permissions'], formerSha256: before });
  expect(configuration.permissionsOf('workspace-write')?.rules).toMatchObject([{ action: 'deny', id: 'permissions.rules[0]' }]);
  const change = configuration.revert('operator:x');
  expect(change).toMatchObject({ changed: ['permissions'], sha256: before });
  expect(configuration.permissionsOf('workspace-write')?.rules[0]?.id).toBe('preset:workspace-write[0]');
  expect(audit.of('config.change')).toMatchObject([
    { how: 'reload', by: 'SIGHUP', formerSha256: before },
    { how: 'revert', by: 'operator:x', sha256: before },
  ]);
});

test.each<[string, () => Config, RegExp]>([
  ['what can not be read', unreadable, /x\.json: not JSON/],
  [
    'what needs a restart, together with what does not',
    () => load({ listen: '127.0.0.1:1', permissions: { rules: [deny] } }),
    /listen: can only be changed by a restart/,
  ],
  ['a ceiling that is shared', () => load({ ceilings: { host: { sandboxes: 1 } } }), /ceilings\.host: can only be changed/],
  ['what could not hold', () => load({ permissions: { rules: [] } }), /no image/],
])('%s changes nothing and is on record', (what, bad, reason) => {
  const { configuration, audit, next } = inForce(() => {
    if (what === 'what could not hold') throw new Error('no image');
  });
  const before = configuration.print();
  next.load = bad;
  expect(() => configuration.reload('SIGHUP')).toThrow(reason);
  expect(configuration.print()).toEqual(before);
  expect(audit.of('config.change')).toEqual([]);
  expect(audit.of('config.refused')).toMatchObject([{ by: 'SIGHUP', problems: [expect.stringMatching(reason)] }]);
});

test('a change that can not be recorded does not hold', () => {
  const { configuration, audit, next } = inForce();
  const before = configuration.print();
  next.load = () => load({ permissions: { rules: [deny] } });
  audit.isFull = true;
  expect(() => configuration.reload('SIGHUP')).toThrow(/ENOSPC/);
  expect(configuration.print()).toEqual(before);
});

test('reading the same again changes nothing and can not be reverted to', () => {
  const { configuration } = inForce();
  expect(configuration.reload('SIGHUP').changed).toEqual([]);
  expect(() => configuration.revert('x')).toThrow(/has not been changed/);
});

test('rules of profiles and presets by unknown names are refused with their place', () => {
  expect(() => load({ permissions: { rules: [{ preset: 'fulll' }] } })).toThrow(/permissions\.rules\.0/);
  expect(() =>
    load({ profiles: { canary: { workspace: 'rw', network: 'none', seccomp: 'strict', rules: [{ tool: 'Exec', action: 'deny' }] } } }),
  ).toThrow(/profiles\.canary\.rules\.0/);
});

test('what could be a secret is not shown', () => {
  const shown = maskedConfig({
    cluster: { redisUrl: 'redis://user:hunter2@host:6379/0' },
    auth: { key: 'abc', keys: ['/etc/key.pem'] },
    apiToken: 'xyz',
    listen: '127.0.0.1:1',
  });
  expect(JSON.stringify(shown)).not.toMatch(/hunter2|abc|xyz/);
  expect(shown).toMatchObject({ cluster: { redisUrl: 'redis://[masked]@host:6379/0' }, listen: '127.0.0.1:1' });
});
