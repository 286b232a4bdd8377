// What must stand in the audit log: denials, and every command before it starts.

import { beforeEach, describe, expect, test } from 'vitest';
import { principal } from '../../support/fake-sandbox.ts';
import { gate, type Client, type Gate } from './wire.ts';

let here: Gate;
let controller: Client;
let id: string;
beforeEach(async () => {
  here = gate();
  controller = await here.greet();
  id = String((await controller.call('open', { session: 's' }))['id']);
});
const join = async (role: 'participant' | 'observer' | 'controller', who = principal(), more = {}) => {
  const client = await here.greet(who);
  await client.call('open', { session: 's', role, ...more });
  return client;
};

describe('denials are on record', () => {
  test.each<[string, () => Promise<Client>, string, object, object]>([
    ['a role that does not allow it', () => join('observer'), 'files.stat', { path: 'a' }, { code: 'FORBIDDEN' }],
    [
      'a token that does not allow it',
      () => here.greet(principal({ role: 'observer' })),
      'close',
      {},
      { code: 'FORBIDDEN', role: 'observer' },
    ],
    [
      "another tenant's sandbox",
      () => here.greet(principal({ tenant: 'globex' })),
      'exec.list',
      {},
      { code: 'NOT_FOUND', tenant: 'globex' },
    ],
    [
      'a lost lease',
      async () => (await join('controller', principal(), { takeover: true }), controller),
      'files.stat',
      { path: 'a' },
      { code: 'LEASE_LOST' },
    ],
  ])('%s', async (_, connect, op, params, entry) => {
    const client = await connect();
    await client.outcome(op, { sandbox: id, ...params });
    expect(here.audit.of('denied')).toMatchObject([{ op, sandboxId: id, tokenId: 'token-1', ...entry }]);
  });

  test('a quota', async () => {
    here = gate({ perTenant: { sandboxes: 1 } });
    const client = await here.greet();
    await client.call('open', { session: 'a' });
    await client.outcome('open', { session: 'b' });
    expect(here.audit.of('denied')).toMatchObject([{ op: 'open', session: 'b', code: 'QUOTA_EXCEEDED', tenant: 'acme' }]);
  });

  test('and a full audit log does not change the answer', async () => {
    const observer = await join('observer');
    here.audit.isFull = true;
    expect(await observer.outcome('files.stat', { sandbox: id, path: 'a' })).toBe('FORBIDDEN: this connection opened it as observer');
  });
});

describe('a command is on record before it starts', () => {
  test("and one that can't be recorded does not start", async () => {
    here.audit.isFull = true;
    expect(await controller.outcome('exec.start', { sandbox: id, execId: 'x', command: 'id' })).toMatch(/^INTERNAL/);
    expect(here.maker.made[0]?.execs.list()).toEqual([]);
  });

  test('also one that is refused, with its end', async () => {
    await controller.outcome('exec.start', { sandbox: id, execId: 'x', command: 'id', cwd: '../..' });
    expect(here.audit.of('exec.start')).toMatchObject([{ execId: 'x' }]);
    expect(here.audit.of('exec.end')).toMatchObject([{ execId: 'x', outcome: 'refused', code: 'PATH_ESCAPES_WORKSPACE' }]);
  });
});
