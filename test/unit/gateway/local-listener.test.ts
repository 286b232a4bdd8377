// The unix socket of the API: the same doors as over TCP, for whoever may open the file.

import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClientError, Cloister } from '../../../client/index.ts';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { Gateway } from '../../../daemon/gateway/server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { principal, silentLog } from '../../support/fake-sandbox.ts';

const HELLO = { protocol: 1, daemonVersion: '0', heartbeatMs: 15_000, tenant: 'acme', role: 'tenant', receiptKey: 'none' };

describe('the unix socket', () => {
  const clock = new FakeClock();
  let directory: string;
  let path: string;
  let gateway: Gateway;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cl-api-'));
    path = join(directory, 'api.sock');
    // What a daemon that was killed leaves.
    await writeFile(path, '');
    gateway = new Gateway({
      host: '127.0.0.1',
      port: 0,
      socketPath: path,
      origins: [],
      clock,
      log: silentLog,
      heartbeatMs: 15_000,
      maxConnections: 2,
      verify: async (token) => {
        if (token !== 'good') throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: the token is not valid here');
        return principal({ expiresAt: clock.now() + 1e9 });
      },
      route: async (_, who) => ({ status: who === null ? 401 : 200, body: {} }),
      dispatch: async (_, operation) => (operation === 'hello' ? HELLO : {}),
      onDisconnected: () => undefined,
      onRefused: () => undefined,
    });
    await gateway.listen();
  });
  afterAll(async () => {
    const closed = gateway.close();
    await clock.advance(2500);
    await closed;
    await rm(directory, { recursive: true });
  });

  const status = (headers: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) => {
      request({ socketPath: path, path: '/v1/sandboxes', headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .on('error', reject)
        .end();
    });

  test('is open to its owner alone', async () => {
    const { mode } = await stat(path);
    expect([mode & 0o170_000, mode & 0o777]).toEqual([0o140_000, 0o600]);
  });

  test('serves the client', async () => {
    const cloister = await Cloister.connect({ url: `unix:${path}`, token: 'good' });
    expect(cloister.receiptKey).toBe(HELLO.receiptKey);
    await cloister.close();
  });

  test('asks for a token all the same', async () => {
    await expect(Cloister.connect({ url: `unix:${path}`, token: 'bad' })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await status({ host: 'anything' })).toBe(401);
  });

  test('takes any Host, and no foreign page', async () => {
    expect(await status({ host: 'anything', authorization: 'Bearer good' })).toBe(200);
    expect(await status({ host: 'localhost', origin: 'https://evil.example', authorization: 'Bearer good' })).toBe(403);
  });

  test('is named by an absolute path', async () => {
    await expect(Cloister.connect({ url: 'unix:api.sock', token: 'good' })).rejects.toThrow(ClientError);
  });
});
