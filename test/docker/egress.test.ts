// The one way out, with real tools in a real sandbox against servers on the host's loopback that an operator has opened.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, EgressDecision, ExecResult, Sandbox } from '../../client/index.ts';
import { type TestNames, startTestNames } from '../support/egress-names.ts';
import { startTestOrigin, type TestOrigin } from '../support/egress-origins.ts';
import { codeOf } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const ADDRESS = '127.81.4.1';
const ALLOWED = 'allowed.test';
const OTHER = 'other.test';

let origin: TestOrigin;
let names: TestNames;
let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;
const live: EgressDecision[] = [];

beforeAll(async () => {
  origin = await startTestOrigin({ address: ADDRESS, names: [ALLOWED, OTHER, `a.wild.test`] });
  names = await startTestNames({
    [ALLOWED]: [ADDRESS],
    [OTHER]: [ADDRESS],
    'a.wild.test': [ADDRESS],
    'private.test': ['10.0.0.5'],
    'mixed.test': [ADDRESS, '10.0.0.5'],
  });
  daemon = await startTestDaemon({ config: { egress: { resolver: names.address, allowPrivate: [`${ADDRESS}/32`] } } });
  client = await daemon.connect('acme', { onEgress: (decision) => live.push(decision) });
  sandbox = await client.open({
    session: 'egress',
    profile: 'workspace-write',
    egress: { allow: [ALLOWED, '*.wild.test', `${ALLOWED}:2222`] },
  });
  await sandbox.files.write('ca.pem', origin.authority);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await names[Symbol.asyncDispose]();
});

const codes = (result: ExecResult): string[] => result.notes.map(({ code }) => code);

describe('tools find the way out by their environment', () => {
  test.each<[string, string]>([
    ['curl over http', `curl -sSf http://${ALLOWED}/x`],
    ['curl over https', `curl -sSf --cacert ca.pem https://${ALLOWED}/x`],
    ['python over http', `python3 -c "import urllib.request as u; print(u.urlopen('http://${ALLOWED}/x').read().decode())"`],
    [
      'python over https',
      `SSL_CERT_FILE=ca.pem python3 -c "import urllib.request as u; print(u.urlopen('https://${ALLOWED}/x').read().decode())"`,
    ],
    ['node over https', `NODE_EXTRA_CA_CERTS=ca.pem node -e "fetch('https://${ALLOWED}/x').then(r => r.text()).then(console.log)"`],
  ])('%s', async (_, command) => {
    const result = await sandbox.exec(command);
    expect(result.stdout + result.stderr).toContain(`hello from ${ALLOWED}/x`);
    expect(result.egress).toMatchObject([
      { host: ALLOWED, address: ADDRESS, verdict: 'allow', rule: `policy.allow:${ALLOWED}`, execId: result.id },
    ]);
    expect(result.egress[0]?.bytesDown).toBeGreaterThan(0);
    expect(codes(result)).toEqual([]);
  });

  test('a protocol of its own, on a port the policy names', async () => {
    const result = await sandbox.exec(`echo ping | timeout 5 /run/cloister-init connect ${ALLOWED} 2222`);
    expect(result).toMatchObject({ stdout: 'ping\n', egress: [{ port: 2222, verdict: 'allow' }] });
  });
});

describe('what the policy does not name stays where it is', () => {
  test.each<[string, string, string, Partial<EgressDecision>]>([
    [
      'a host of the same address over http',
      `curl -sS http://${OTHER}/x`,
      'Cloister denies',
      { host: OTHER, port: 80, reason: 'notAllowed', rule: 'mode:allowlist' },
    ],
    [
      'a host of the same address over https',
      `curl -sS --cacert ca.pem https://${OTHER}/x`,
      '403',
      { host: OTHER, port: 443, reason: 'notAllowed' },
    ],
    ['another port of an allowed host', `curl -sS http://${ALLOWED}:8080/x`, 'portNotAllowed', { port: 8080, reason: 'portNotAllowed' }],
    [
      'the metadata service',
      'curl -sS http://169.254.169.254/latest/meta-data/',
      'notAllowed',
      { host: '169.254.169.254', reason: 'notAllowed' },
    ],
    ['plain HTTP inside a tunnel to 443', `curl -sS --proxytunnel http://${ALLOWED}:443/x`, 'curl:', { reason: 'notTls' }],
    [
      'a tunnel whose TLS names another host',
      `curl -sSk --connect-to ${OTHER}:443:${ALLOWED}:443 https://${OTHER}/x`,
      'curl:',
      { host: ALLOWED, reason: 'nameMismatch' },
    ],
  ])('%s', async (_, command, said, decision) => {
    const before = origin.connections();
    const result = await sandbox.exec(command);
    expect(result.stdout + result.stderr).toContain(said);
    expect(result.egress).toMatchObject([{ ...decision, verdict: 'deny', execId: result.id }]);
    expect(result.egress[0]?.remedy).toBeTruthy();
    expect(codes(result)).toEqual(['egressDenied']);
    expect(origin.connections()).toBe(before);
  });

  test('a denial can be read where it happens', async () => {
    const { stdout } = await sandbox.exec(`curl -sS -i http://${OTHER}/x`);
    expect(stdout).toContain('HTTP/1.1 403 Forbidden');
    expect(stdout).toContain('X-Deny-Reason: notAllowed');
    expect(stdout).toContain(`Cloister denies GET http://${OTHER}/x`);
    expect(stdout).toContain('rule: mode:allowlist');
    expect(stdout).toContain('remedy: Do without it');
  });

  test('nothing leaves beside the proxy: raw sockets, DNS, UDP', async () => {
    const result = await sandbox.exec([
      'python3',
      '-c',
      `import socket
for kind, target in ((socket.SOCK_STREAM, ("${ADDRESS}", 80)), (socket.SOCK_STREAM, ("198.51.100.1", 80)), (socket.SOCK_DGRAM, ("198.51.100.1", 53)), (socket.SOCK_DGRAM, ("127.0.0.1", 53))):
    s = socket.socket(socket.AF_INET, kind); s.settimeout(2)
    try: s.connect(target); s.send(b"x"); print("sent", target, s.recv(10))
    except OSError as e: print("refused", e.errno)
try: socket.getaddrinfo("${ALLOWED}", 80); print("resolved")
except OSError: print("no name")`,
    ]);
    expect(result.stdout).not.toMatch(/sent|resolved/);
    expect(result.stdout.match(/refused/g)).toHaveLength(4);
    expect(result.egress).toEqual([]);
  });
});

describe('a policy that changes', () => {
  test('opens and closes at once, and cuts what is open', async () => {
    const changing = await client.open({ session: 'changing', profile: 'workspace-write', workspace: { retain: 'delete' } });
    const get = () => changing.exec(`curl -s -o /dev/null -w '%{http_code}' http://${ALLOWED}/x`);
    expect((await get()).stdout).toBe('403');
    expect(await changing.egress.explain(`https://${ALLOWED}/x`)).toMatchObject({ verdict: 'deny', reason: 'notAllowed' });
    expect(await changing.egress.set({ allow: [ALLOWED.toUpperCase(), `${ALLOWED}:2222`] })).toMatchObject({
      mode: 'allowlist',
      allow: [ALLOWED, `${ALLOWED}:2222`],
    });
    expect((await get()).stdout).toBe('200');
    expect(await changing.egress.explain(`https://${ALLOWED}/x`)).toMatchObject({ verdict: 'allow', rule: `policy.allow:${ALLOWED}` });
    expect(await changing.egress.explain('https://private.test')).toMatchObject({ verdict: 'deny', reason: 'notAllowed' });

    const tunnel = changing.exec(['/run/cloister-init', 'connect', ALLOWED, '2222'], { stdin: true });
    await tunnel.write('up\n');
    for await (const chunk of tunnel) if (chunk.text.includes('up')) await changing.egress.set({ mode: 'off' });
    expect((await tunnel).egress).toMatchObject([{ port: 2222, verdict: 'deny', reason: 'policyChanged' }]);
    expect(await get()).toMatchObject({ stdout: '403', egress: [{ verdict: 'deny', reason: 'egressOff' }] });
    await changing.close();
  });

  test('open lets out to every public host and to none that is not', async () => {
    const open = await client.open({
      session: 'open',
      profile: 'workspace-write',
      egress: { mode: 'open' },
      workspace: { retain: 'delete' },
    });
    expect(await open.exec(`curl -sS http://${OTHER}/x`)).toMatchObject({
      stdout: `hello from ${OTHER}/x\n`,
      egress: [{ rule: 'mode:open' }],
    });
    for (const host of ['private.test', 'mixed.test', '10.0.0.5', 'localhost.localdomain', '169.254.169.254']) {
      expect((await open.exec(`curl -s -o /dev/null -w '%{http_code}' http://${host}/`)).stdout).toBe('403');
    }
    await open.close();
  });

  test("is the controller's to change, and never under a profile without network", async () => {
    const guest = await daemon.connect('acme');
    const joined = await guest.open({ session: 'egress', role: 'participant' });
    expect(await codeOf(joined.egress.set({ mode: 'open' }))).not.toBe('');
    const closed = await client.open({ session: 'closed', workspace: { retain: 'delete' } });
    expect(await codeOf(closed.egress.set({ mode: 'open' }))).toBe('POLICY_INVALID');
    expect((await closed.exec('curl -sS http://127.0.0.1:3128/; env | grep -ci proxy')).stdout).toBe('0\n');
    await closed.close();
  });
});

test('a controller hears of decisions as they are made, and the audit log keeps them', async () => {
  live.length = 0;
  const result = await sandbox.exec(`curl -sS http://${ALLOWED}/live`);
  expect(live).toMatchObject([{ host: ALLOWED, verdict: 'allow', execId: result.id }]);
});

test('a sandbox cannot claim another command than its own', async () => {
  const result = await sandbox.exec(`curl -sS -x http://someone-else:x@127.0.0.1:3128 http://${ALLOWED}/claim`);
  expect(result.stdout).toContain('hello');
  expect(result.egress).toEqual([]);
  expect(origin.seen.at(-1)?.headers).not.toHaveProperty('proxy-authorization');
});
