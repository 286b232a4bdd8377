// What looks like a credential does not get into the daemon's own writing, and what does not is left alone.

import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { createLog } from '../../../daemon/observe/log.ts';
import { maskCredentials } from '../../../daemon/observe/mask-credentials.ts';

const part = (length: number): string => 'aB3dE6gH9'.repeat(40).slice(0, length);
const jwt = `eyJ${part(20)}.eyJ${part(40)}.${part(43)}`;

test.each<[string, string]>([
  [`pushed with ghp_${part(36)}`, 'pushed with [redacted:gitToken]'],
  [`github_pat_${part(60)} and glpat-${part(20)}`, '[redacted:gitToken] and [redacted:gitToken]'],
  [`//registry/:_authToken=npm_${part(36)}`, '//registry/:_authToken=[redacted:packageToken]'],
  ['key AKIAABCDEFGH01234567', 'key [redacted:cloudKey]'],
  [`token ${jwt}`, 'token [redacted:jwt]'],
  [`Authorization: Bearer ${part(40)}`, 'Authorization: Bearer [redacted:bearer]'],
  ['clone https://me:hunter22@host/repo', 'clone https://me:[redacted:urlPassword]@host/repo'],
  [JSON.stringify({ key: `-----BEGIN PRIVATE KEY-----\n${part(64)}\n-----END PRIVATE KEY-----\n` }), '{"key":"[redacted:privateKey]\\n"}'],
  [`sk-${part(40)} sk_live_${part(24)} xoxb-${part(20)}`, '[redacted:apiKey] [redacted:apiKey] [redacted:chatToken]'],
])('%#: a credential of a well-known form is masked', (text, masked) => {
  expect(maskCredentials(text)).toBe(masked);
});

test.each([
  'connect to http://127.0.0.1:3128/a@b',
  'sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==',
  'the task-force ghosts sk-short eyJust',
  'policySha256 b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c',
])('%s is left alone', (text) => {
  expect(maskCredentials(text)).toBe(text);
});

test('a long text that almost holds one is read in one go: what is not linear would not come to an end here', () => {
  for (const piece of ['://a:', 'eyJ', '-----BEGIN PRIVATE KEY-----', 'Bearer ', 'sk-', 'eyJaaaaaaaaaaa.']) {
    const text = piece.repeat(20_000);
    expect(maskCredentials(text).length).toBeLessThanOrEqual(text.length);
  }
});

test('a line of the log is masked, and is still JSON', async () => {
  const out = new PassThrough();
  const log = createLog({ level: 'info', destination: out });
  log.error({ err: new Error(`git says: https://me:hunter22@host and ghp_${part(36)}`) }, 'failed');
  const line = JSON.parse(String(out.read())) as { err: { message: string } };
  expect(line.err.message).toBe('git says: https://me:[redacted:urlPassword]@host and [redacted:gitToken]');
});
