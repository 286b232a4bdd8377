// Rules for requests, what is learned from denials, what batch sessions are told, and what explaining says, in real sandboxes.

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { startTestNames, type TestNames } from '../support/egress-names.ts';
import { startTestOrigin, type TestOrigin } from '../support/egress-origins.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const run = promisify(execFile);
const ADDRESS = '127.81.9.1';
const HOST = 'api.test';

let origin: TestOrigin;
let names: TestNames;
let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;

beforeAll(async () => {
  origin = await startTestOrigin({ address: ADDRESS, names: [HOST] });
  names = await startTestNames({ [HOST]: [ADDRESS], 'ask.test': [ADDRESS] });
  daemon = await startTestDaemon({
    config: { egress: { resolver: names.address, allowPrivate: [ADDRESS], upstreamCa: await authority() } },
  });
  client = await daemon.connect('acme', { onConfirm: async () => 'allow-once' });
  sandbox = await client.open({
    session: 'requests',
    profile: 'workspace-write',
    egress: { allow: [{ host: HOST, methods: ['GET'], paths: ['/v1/'] }], learn: true },
  });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await names[Symbol.asyncDispose]();
});

async function authority(): Promise<string> {
  const path = join(origin.directory, 'authority.pem');
  await writeFile(path, origin.authority);
  return path;
}

const status = async (request: string, from = sandbox): Promise<string> =>
  (await from.exec(`curl -s -o /dev/null -w '%{http_code}' --path-as-is ${request}`)).stdout;

describe('a host with rules', () => {
  test.each<[string, string, string]>([
    ['a request that they permit, in the clear', `http://${HOST}/v1/x`, '200'],
    ['a request that they permit, over TLS', `https://${HOST}/v1/x`, '200'],
    ['another path in the clear', `http://${HOST}/v2/x`, '403'],
    ['another path over TLS', `https://${HOST}/v2/x`, '403'],
    ['another method in the clear', `-X POST -d a=b http://${HOST}/v1/x`, '403'],
    ['another method over TLS', `-X POST -d a=b https://${HOST}/v1/x`, '403'],
    ['a path that climbs', `https://${HOST}/v1/../v2`, '403'],
    ['a path that climbs encoded', `https://${HOST}/v1/%2e%2e/v2`, '403'],
  ])('%s: %s is answered %s', async (_, request, expected) => {
    const before = origin.connections();
    expect(await status(request)).toBe(expected);
    if (expected === '403') expect(origin.connections()).toBe(before);
  });

  test('says so where it is denied, and in the result', async () => {
    const result = await sandbox.exec(`curl -sS -X DELETE https://${HOST}/v1/x`);
    expect(result.stdout).toContain('reason: requestNotAllowed');
    expect(result.egress).toMatchObject([
      { host: HOST, port: 443, method: 'DELETE', path: '/v1/x', verdict: 'deny', rule: `policy.allow:${HOST} GET /v1/` },
    ]);
  });

  test('is explained by its requests', async () => {
    expect(await sandbox.egress.explain(`https://${HOST}/v1/a`)).toMatchObject({ verdict: 'allow' });
    expect(await sandbox.egress.explain(`https://${HOST}/v2/a`)).toMatchObject({ verdict: 'deny', reason: 'requestNotAllowed' });
  });
});

test('what is learned is proposed, and makes a policy that allows it', async () => {
  const learning = await client.open({
    session: 'learning',
    profile: 'workspace-write',
    egress: { learn: true },
    workspace: { retain: 'delete' },
  });
  expect(await status(`http://${HOST}/x`, learning)).toBe('403');
  expect(await status('http://169.254.169.254/', learning)).toBe('403');
  const { allow, seen, omitted } = await learning.egress.proposal();
  expect(allow).toEqual([HOST]);
  expect(seen).toMatchObject([{ entry: HOST, reason: 'notAllowed', count: 1 }]);
  expect(omitted).toBe(0);
  expect(await learning.egress.set({ allow, learn: true })).toMatchObject({ allow: [HOST], learn: true });
  expect(await status(`http://${HOST}/x`, learning)).toBe('200');
  await learning.close();
});

test('a batch session is never asked for: what needs a confirmation is denied at once', async () => {
  const options = { profile: 'workspace-write', egress: { ask: ['ask.test'] }, workspace: { retain: 'delete' as const } };
  const asking = await client.open({ session: 'asking', ...options });
  expect(await status('http://ask.test/', asking)).toBe('200');
  await asking.close();
  const batch = await client.open({ session: 'batch', permissions: { mode: 'batch' }, ...options });
  expect((await batch.exec('curl -sS http://ask.test/')).stdout).toContain('reason: confirmationMissing');
  await batch.close();
});

test('an allowed connection is on record before anything passes, and again with its sums', async () => {
  const { id } = await sandbox.exec(`curl -sS http://${HOST}/v1/record`);
  const records = (await readFile(join(daemon.stateDir, 'audit.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ execId, kind }) => execId === id && String(kind).startsWith('egress.'));
  expect(records).toMatchObject([
    { kind: 'egress.start', host: HOST, path: '/v1/record' },
    { kind: 'egress.decision', host: HOST, address: ADDRESS },
  ]);
  expect(records[0]?.['attempt']).toBe(records[1]?.['attempt']);
});

describe('what a policy says, without a session', () => {
  test('the daemon tells', async () => {
    const profile = 'workspace-write';
    expect(await client.explain({ url: `https://${HOST}/`, profile, allow: [HOST] })).toMatchObject({
      verdict: 'allow',
      rule: `policy.allow:${HOST}`,
    });
    expect(await client.explain({ url: `https://${HOST}/`, profile })).toMatchObject({ verdict: 'deny', reason: 'notAllowed' });
    expect(await client.explain({ url: 'http://10.0.0.1/', profile, mode: 'open' })).toMatchObject({
      verdict: 'deny',
      reason: 'addressBlocked',
    });
    expect(await client.explain({ url: `https://${HOST}/`, profile: 'readonly' })).toMatchObject({ verdict: 'deny', reason: 'egressOff' });
    await expect(client.explain({ url: 'https://a.test/', profile: 'readonly', mode: 'open' })).rejects.toMatchObject({
      code: 'POLICY_INVALID',
    });
    await expect(client.explain({ url: 'https://a.test/', profile: 'nothing' })).rejects.toMatchObject({ code: 'PROFILE_UNKNOWN' });
  });

  test('the command line tells, of a daemon, of a session, and of a configuration alone', async () => {
    const file = join(daemon.stateDir, 'explain.json');
    await writeFile(file, JSON.stringify({ egress: { resolver: names.address, allowPrivate: [ADDRESS] } }));
    const explain = async (args: readonly string[], env: Record<string, string>): Promise<unknown> => {
      const main = join(import.meta.dirname, '../../daemon/main.ts');
      const argv = ['--import', 'tsx', main, 'policy', 'explain', '--json', ...args];
      const { stdout } = await run(process.execPath, argv, { env: { PATH: process.env['PATH'] ?? '', ...env } }).catch(
        (error: unknown) => error as { stdout: string },
      );
      return JSON.parse(stdout);
    };
    const online = { CLOISTER_URL: daemon.url, CLOISTER_TOKEN: await daemon.token('acme') };
    expect(await explain([`https://${HOST}/`, '--allow', HOST], online)).toMatchObject({ verdict: 'allow', source: 'daemon' });
    expect(await explain([`https://${HOST}/v1/`, '--session', 'requests'], online)).toMatchObject({ verdict: 'allow', source: 'session' });
    expect(await explain([`https://${HOST}/v2/`, '--session', 'requests'], online)).toMatchObject({
      reason: 'requestNotAllowed',
      source: 'session',
    });
    expect(await explain([`https://${HOST}/`, '--allow', HOST, '--config', file], {})).toMatchObject({
      verdict: 'allow',
      source: 'configuration',
    });
    expect(await explain(['http://169.254.169.254/', '--mode', 'open', '--config', file], {})).toMatchObject({
      verdict: 'deny',
      source: 'configuration',
    });
    // Five programs start one after the other.
  }, 240_000);
});
