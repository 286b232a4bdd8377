// Who may not even connect: each attempt is refused with its reason, and nobody else notices.

import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import type { ErrorCode } from '../../client/protocol/index.ts';
import { RawClient, refusedUpgrade } from '../support/raw-client.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

let daemon: TestDaemon;
let token: string;
/** A bystander: another tenant at work on a connection of its own. */
let bystander: Sandbox;
let client: Cloister;
let sandbox: Sandbox;
let raw: RawClient;

beforeAll(async () => {
  daemon = await startTestDaemon();
  token = await daemon.token('acme');
  bystander = await (await daemon.connect('globex')).open({ session: 'bystander' });
  client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'victim' });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});
beforeEach(async () => {
  raw = await RawClient.greet(daemon.url, { token });
  expect(await raw.codeOf('open', { session: 'victim', role: 'participant' })).toBe('no error');
});
afterEach(async () => {
  raw.end();
  expect((await bystander.exec(['echo', 'unharmed'])).stdout).toBe('unharmed\n');
  expect((await sandbox.exec(['echo', 'unharmed'])).stdout).toBe('unharmed\n');
});

describe('an upgrade is refused', () => {
  test.each<
    [string, () => Promise<{ token?: string; headers?: Record<string, string>; protocols?: string[]; path?: string }>, number, ErrorCode]
  >([
    ['without a token', async () => ({}), 401, 'UNAUTHENTICATED'],
    ['with an expired token', async () => ({ token: await daemon.token('acme', { ttlMs: -5000 }) }), 401, 'UNAUTHENTICATED'],
    [
      'with a token of another key',
      async () => ({ token: `${token.split('.').slice(0, 2).join('.')}.${randomBytes(64).toString('base64url')}` }),
      401,
      'UNAUTHENTICATED',
    ],
    [
      'with an unsigned token',
      async () => ({ token: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]}.` }),
      401,
      'UNAUTHENTICATED',
    ],
    ['with something that is no token', async () => ({ token: 'x'.repeat(4096) }), 401, 'UNAUTHENTICATED'],
    ['from the page of another origin', async () => ({ token, headers: { origin: 'https://evil.example' } }), 403, 'FORBIDDEN'],
    ['under another host name, as after DNS rebinding', async () => ({ token, headers: { host: 'evil.example:7070' } }), 403, 'FORBIDDEN'],
    ['without the subprotocol', async () => ({ token, protocols: ['chat'] }), 426, 'PROTOCOL_VERSION'],
    ['on another path', async () => ({ token, path: '/v1/other' }), 404, 'NOT_FOUND'],
  ])('%s', async (_, options, status, code) => {
    const refused = await refusedUpgrade(daemon.url, await options());
    expect(refused).toMatchObject({ status, body: { code } });
  });

  test('and so is a plain request from another origin', async () => {
    const { port } = new URL(daemon.url);
    const status = await new Promise((resolve) => {
      request({ host: '127.0.0.1', port, path: '/healthz', headers: { origin: 'https://evil.example' } }, (response) =>
        resolve(response.resume().statusCode),
      ).end();
    });
    expect(status).toBe(403);
  });
});
