// What is asked and told in E2B's words: network policies, ends of commands, events of files, failures.

import { describe, expect, test } from 'vitest';
import type { ExecResult } from '../../../client/index.ts';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { permissionsOf } from '../../../daemon/compat/entry-info.ts';
import { failureOf } from '../../../daemon/compat/failure.ts';
import { egressOf, type NetworkAsked } from '../../../daemon/compat/network-policy.ts';
import { dataEvent, endEvent } from '../../../daemon/compat/process-events.ts';
import { Room } from '../../../daemon/compat/room.ts';
import { toldOf } from '../../../daemon/compat/watch-directory.ts';
import { headersForServer } from '../../../daemon/gateway/ports/preview-headers.ts';
import { codeOf } from '../../support/eventually.ts';

describe('of the network', () => {
  const closed = { hasNetwork: true, unnamed: 'allowlist' } as const;
  const open = { hasNetwork: true, unnamed: 'open' } as const;
  const none = { hasNetwork: false, unnamed: 'open' } as const;
  const cases: Record<string, readonly [NetworkAsked, typeof closed | typeof open | typeof none, unknown]> = {
    'nothing is an empty list': [{}, closed, { mode: 'allowlist', deny: [] }],
    'nothing is everything only where the operator says so': [{}, open, { mode: 'open', deny: [] }],
    'internet access is no more than nothing': [{ allow_internet_access: true }, closed, { mode: 'allowlist', deny: [] }],
    'no internet access is none': [{ allow_internet_access: false }, open, { mode: 'off' }],
    'hosts are these hosts': [{ network: { allowOut: ['a.example'] } }, open, { mode: 'allowlist', allow: ['a.example'], deny: [] }],
    'hosts without internet access are these hosts': [
      { allow_internet_access: false, network: { allowOut: ['a.example'] } },
      open,
      { mode: 'allowlist', allow: ['a.example'], deny: [] },
    ],
    'every address is every public one': [{ network: { allowOut: ['0.0.0.0/0'] } }, closed, { mode: 'open', deny: [] }],
    'denying everything is none': [{ network: { denyOut: ['0.0.0.0/0'] } }, open, { mode: 'off' }],
    'denied hosts are denied': [{ network: { denyOut: ['b.example'] } }, open, { mode: 'open', deny: ['b.example'] }],
    'nothing under a profile without network asks for nothing': [{ allow_internet_access: true }, none, undefined],
    'hosts under a profile without network are asked for, and so refused': [
      { network: { allowOut: ['a.example'] } },
      none,
      { mode: 'allowlist', allow: ['a.example'], deny: [] },
    ],
  };
  test.each(Object.entries(cases))('%s', (_, [asked, ground, policy]) => expect(egressOf(asked, ground)).toEqual(policy));

  const refused: Record<string, NetworkAsked['network']> = {
    ranges: { allowOut: ['10.0.0.0/8'] },
    rules: { rules: { 'a.example': [] } },
    proxies: { egressProxy: { address: 'p:1' } },
    'masks of hosts': { maskRequestHost: 'x' },
    'ports for everyone': { allowPublicTraffic: true },
  };
  test.each(Object.entries(refused))('%s are refused, not left out', (_, network) =>
    expect(() => egressOf({ network }, open)).toThrow(/^Cannot /),
  );
});

describe('an end', () => {
  const result = (more: Partial<ExecResult>): ExecResult => ({ exitCode: null, signal: null, ...more }) as ExecResult;
  test('of its own has its exit code', () => {
    expect(endEvent(result({ outcome: 'exited', exitCode: 0 }))).toEqual({
      event: { end: { exitCode: 0, exited: true, status: 'exit status 0' } },
    });
    expect(endEvent(result({ outcome: 'exited', exitCode: 3 }))).toMatchObject({ event: { end: { exitCode: 3, error: 'exit status 3' } } });
  });

  test.each(['signalled', 'killed', 'oomKilled', 'idleTimedOut', 'outputCapped'] as const)(
    'that is %s has none, and never a zero',
    (outcome) => {
      expect(endEvent(result({ outcome, exitCode: 0 }))).toMatchObject({
        event: { end: { exitCode: -1, exited: false, error: expect.any(String) } },
      });
    },
  );

  test.each(['lost', 'running', 'denied', 'timedOut'] as const)('that is %s is an error', (outcome) => {
    expect(() => endEvent(result({ outcome, exitCode: 0 }))).toThrow(/command/);
  });

  test('after output that is lost is an error as well', () => {
    const chunk = { stream: 'stdout', bytes: new Uint8Array(), text: '', offset: 9, droppedBytes: 5 } as const;
    expect(() => dataEvent(chunk, false)).toThrow(/5 bytes/);
  });
});

test('a rename is two events, from inside the directory', () => {
  expect(toldOf({ type: 'rename', path: 'd/new', from: 'd/old' }, 'd')).toEqual([
    { filesystem: { name: 'old', type: 'EVENT_TYPE_RENAME' } },
    { filesystem: { name: 'new', type: 'EVENT_TYPE_CREATE' } },
  ]);
  expect(() => toldOf({ type: 'overflow', path: 'd' }, 'd')).toThrow(/lost/);
});

test('modes read as ls writes them', () => {
  expect([permissionsOf({ kind: 'file', mode: 0o640 }), permissionsOf({ kind: 'directory', mode: 0o755 })]).toEqual([
    '-rw-r-----',
    'drwxr-xr-x',
  ]);
});

test('a failure keeps its hint; a sandbox that is gone is one that does not run, and what is unknown stays here', () => {
  expect(failureOf(new SandboxError('FILE_NOT_FOUND', 'Cannot read "x": it is not there', { hint: 'Look.' }))).toEqual({
    code: 'not_found',
    message: 'Cannot read "x": it is not there. Look.',
    status: 404,
  });
  expect(failureOf(new SandboxError('SESSION_EXPIRED', 'Cannot use it'))).toMatchObject({ code: 'unavailable', status: 502 });
  expect(failureOf(new Error('secret'))).toBeNull();
});

describe('the room of a tenant', () => {
  const parts = async function* (count: number): AsyncGenerator<Buffer> {
    for (let index = 0; index < count; index += 1) yield Buffer.alloc(1024 * 1024);
  };
  const drain = async (source: AsyncIterable<unknown>): Promise<string> => {
    for await (const _ of source);
    return 'read';
  };

  test('is bounded in bytes, and given back', async () => {
    const room = new Room();
    expect(await codeOf(drain(room.keep(parts(65))))).toBe('QUOTA_EXCEEDED');
    expect(await drain(room.keep(parts(60)))).toBe('read');
    expect(await drain(room.keep(parts(60)))).toBe('read');
  });

  test('is bounded in calls, and given back', async () => {
    const room = new Room();
    let end = (): void => undefined;
    const held = new Promise<void>((resolve) => (end = resolve));
    const calls = Array.from({ length: 500 }, () => room.run(() => held));
    expect(await codeOf(room.run(() => Promise.resolve()))).toBe('QUOTA_EXCEEDED');
    end();
    await Promise.all(calls);
    expect(await room.run(() => Promise.resolve('again'))).toBe('again');
  });
});

test('the token for ports is not for the server behind them', () => {
  expect(headersForServer(['E2B-Traffic-Access-Token', 'x', 'Accept', '*/*'])).toEqual(['Accept', '*/*']);
});
