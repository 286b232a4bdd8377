// Tokens against a daemon: made narrower, revoked while in use, expired while in use; and every step is on record.

import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Cloister } from '../../client/index.ts';
import { codeOf } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const call = (path: string, token: string, method = 'GET', body?: object): Promise<Response> =>
  fetch(`${daemon.url.replace('ws', 'http')}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
async function socketOf(token: string): Promise<WebSocket> {
  const socket = new WebSocket(`${daemon.url}/v1/ws`, ['cloister.v1'], { headers: { authorization: `Bearer ${token}` } });
  await once(socket, 'open');
  return socket;
}
const closeCode = async (socket: WebSocket): Promise<unknown> => (await once(socket, 'close'))[0];

test('a token that expires closes its socket with 4003', async () => {
  const socket = await socketOf(await daemon.token('acme', { ttlMs: 1500 }));
  expect(await closeCode(socket)).toBe(4003);
});

test('a token that is revoked closes its sockets and those of tokens made from it with 4003, and opens none', async () => {
  const token = await daemon.token('acme');
  const made = (await (await call('/v1/tokens', token, 'POST', { sessions: 'build-*', ttlMs: 60_000 })).json()) as {
    token: string;
    tokenId: string;
  };
  const [own, narrowed] = [await socketOf(token), await socketOf(made.token)];
  const codes = Promise.all([closeCode(own), closeCode(narrowed)]);
  const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string };
  expect((await call(`/v1/tokens/${jti}`, await daemon.token(null, { role: 'operator' }), 'DELETE')).status).toBe(200);
  expect(await codes).toEqual([4003, 4003]);
  for (const one of [token, made.token]) expect(await codeOf(Cloister.connect({ url: daemon.url, token: one }))).toBe('UNAUTHENTICATED');
});

test('a narrower token opens what it is for and nothing else', async () => {
  const made = await call('/v1/tokens', await daemon.token('acme'), 'POST', { sessions: 'build-*', ceilings: { sandboxes: 1 } });
  const { token } = (await made.json()) as { token: string };
  await using client = await Cloister.connect({ url: daemon.url, token });
  await using _one = await client.open({ session: 'build-1' });
  expect(await codeOf(client.open({ session: 'build-2' }))).toBe('QUOTA_EXCEEDED');
  expect(await codeOf(client.open({ session: 'other' }))).toBe('FORBIDDEN');
  expect((await call('/v1/tokens', token, 'POST', { sessions: '*' })).status).toBe(400);
  expect((await call('/v1/tokens', token, 'POST', { sessions: 'b*' })).status).toBe(403);
});

test('who follows the audit log sees what its token may, as it comes', async () => {
  const response = await call('/v1/audit?follow=1&kind=token.create,token.revoke', await daemon.token('acme'));
  const reader = response.body!.getReader();
  for (const tenant of ['globex', 'acme']) await call('/v1/tokens', await daemon.token(tenant), 'POST', { session: `made-for-${tenant}` });
  let text = '';
  while (!text.includes('made-for-acme')) text += Buffer.from((await reader.read()).value ?? []).toString();
  await reader.cancel();
  expect(text).not.toContain('globex');
});
