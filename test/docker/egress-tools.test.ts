// Package tools, SOCKS clients and WebSockets through the one way out; and questions to whoever controls the session.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, ConfirmRequest, Sandbox } from '../../client/index.ts';
import { type TestNames, startTestNames } from '../support/egress-names.ts';
import { startTestOrigin, type TestOrigin } from '../support/egress-origins.ts';
import { makeTestPackages, type TestPackages } from '../support/egress-packages.ts';
import { downloadToolchains } from '../support/toolchains.ts';
import { startSshServer, type TestSshServer } from '../support/ssh-server.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const ADDRESS = '127.81.7.1';
const HOST = 'allowed.test';

/** Debian's `requests` and what it needs, which the image does not have. */
const PYTHON_PACKAGES = '/usr/lib/python3/dist-packages';
const REQUESTS = ['requests', 'urllib3', 'idna', 'certifi', 'chardet', 'charset_normalizer', 'six.py'];
const PAGE = '/go/tiny.test/tiny/@v/v1.0.0.mod';

const isLoad = process.env['CLOISTER_TEST_LOAD'] === '1';
/** Its state is below /tmp, because the root is read-only; the source is named on the command line of the shell. */
const APT = `mkdir -p /tmp/apt/lists/partial /tmp/apt/cache/archives/partial && echo 'deb [trusted=yes] http://${HOST}/apt ./' > /tmp/apt/list && apt-get -o Dir::State::lists=/tmp/apt/lists -o Dir::Cache=/tmp/apt/cache -o Dir::Etc::sourcelist=/tmp/apt/list`;

let packages: TestPackages;
let ssh: TestSshServer;
let origin: TestOrigin;
let names: TestNames;
let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;
const asked: ConfirmRequest[] = [];
let answer: (request: ConfirmRequest) => Promise<'allow-once' | 'allow-session' | 'deny'> = async () => 'deny';

beforeAll(async () => {
  packages = await makeTestPackages(HOST);
  origin = await startTestOrigin({ address: ADDRESS, names: [HOST], listener: packages.listener });
  ssh = await startSshServer(ADDRESS, 22);
  names = await startTestNames({ [HOST]: [ADDRESS], 'ask.test': [ADDRESS] });
  daemon = await startTestDaemon({
    config: { egress: { resolver: names.address, allowPrivate: [ADDRESS] }, permissions: { confirmTimeoutMs: 1500 } },
  });
  client = await daemon.connect('acme', {
    onConfirm: (request) => {
      asked.push(request);
      return answer(request);
    },
  });
  sandbox = await client.open({
    session: 'tools',
    profile: 'workspace-write',
    egress: { allow: [HOST, `${HOST}:80`, `${HOST}:2222`, `${HOST}:22`], ask: ['ask.test'] },
  });
  await sandbox.files.write('ca.pem', origin.authority);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await names[Symbol.asyncDispose]();
  await ssh[Symbol.asyncDispose]();
  await packages[Symbol.asyncDispose]();
});

describe('a tool that fetches', () => {
  test.each<[string, string, string]>([
    [
      'git clone over https',
      `git -c http.sslCAInfo=$PWD/ca.pem clone -q https://${HOST}/repo.git cloned && git -C cloned log --format=%s`,
      'first',
    ],
    ['git clone over http', `git clone -q http://${HOST}/repo.git plain && git -C plain log --format=%s`, 'first'],
    [
      'pip download',
      `python3 -m pip download -q --disable-pip-version-check --no-deps --cert ca.pem --index-url https://${HOST}/simple tiny && ls tiny-*`,
      'tiny-1.0-py3-none-any.whl',
    ],
    [
      'npm install',
      `mkdir -p app && cd app && npm install --silent --no-audit --no-fund --no-update-notifier --registry https://${HOST}/npm/ --cafile ../ca.pem tiny && node -p "require('tiny')"`,
      '42',
    ],
    ['apt update and download', `${APT} update -q && ${APT} download -q tiny && ls tiny_*`, 'tiny_1.0_all.deb'],
    ['node fetch over http', `node -e "fetch('http://${HOST}/x').then(r => r.text()).then(console.log)"`, `hello from ${HOST}/x`],
    ['curl over SOCKS', `curl -sS --proxy socks5h://127.0.0.1:3128 --cacert ca.pem https://${HOST}/x`, `hello from ${HOST}/x`],
    ['curl over SOCKS, by name and password', `curl -sS --proxy socks5h://any:one@127.0.0.1:3128 http://${HOST}/x`, `hello from ${HOST}/x`],
  ])('%s', async (_, command, said) => {
    const result = await sandbox.exec(command);
    expect(result.stdout + result.stderr).toContain(said);
    expect(result.egress.filter(({ verdict }) => verdict === 'deny')).toEqual([]);
  });

  test('python requests, over http, over https, and with what it was denied', async () => {
    for (const name of REQUESTS)
      await sandbox.files.upload(`${PYTHON_PACKAGES}/${name}`, name.endsWith('.py') ? 'python' : `python/${name}`);
    const script = `import sys; sys.path.insert(0, "python")
import requests
for url in ("http://${HOST}${PAGE}", "https://${HOST}${PAGE}", "http://other.test/"):
    answer = requests.get(url, verify="ca.pem"); print(answer.status_code, answer.text.splitlines()[0])
try: requests.get("https://other.test/")
except requests.exceptions.ProxyError as error: print("ProxyError", "403" in str(error))`;
    const result = await sandbox.exec(['python3', '-c', script]);
    expect(result.stdout + result.stderr).toBe(
      '200 module tiny.test/tiny\n200 module tiny.test/tiny\n403 Cloister denies GET http://other.test/\nProxyError True\n',
    );
    // In the order in which they ended.
    expect(result.egress.map(({ host, port, reason, execId }) => `${host}:${port} ${reason} ${execId === result.id}`).sort()).toEqual([
      `${HOST}:443 allowed true`,
      `${HOST}:80 allowed true`,
      'other.test:443 notAllowed true',
      'other.test:80 notAllowed true',
    ]);
  });

  test('git clone over ssh, and no other host that way', async () => {
    await sandbox.files.write('key', ssh.key, { mode: 0o600 });
    await sandbox.files.write('known', `${HOST} ${ssh.hostKey}\n`);
    await sandbox.exec(
      'mkdir -p -m 700 $HOME/.ssh && printf "IdentityFile /workspace/key\\nUserKnownHostsFile /workspace/known\\nBatchMode yes\\n" > $HOME/.ssh/config',
    );
    const result = await sandbox.exec(
      `git clone -q ssh://root@${HOST}${packages.directory}/repo.git secure && git -C secure log --format=%s`,
    );
    expect(result.stdout + result.stderr).toBe('first\n');
    const denied = await sandbox.exec(`git clone -q ssh://root@other.test${packages.directory}/repo.git other`);
    expect(denied.exitCode).not.toBe(0);
    expect(denied.stderr).toContain('403');
  });

  // Downloads 100 MB of packages, so not everywhere.
  test.each(isLoad ? ['go, cargo and java'] : [])(
    '%s, which are not in the image',
    async () => {
      await sandbox.files.write('tools.tar', await downloadToolchains());
      const unpacked = await sandbox.exec('tar -xf tools.tar && rm tools.tar && ls -d usr/lib/jvm/java-17-*');
      expect(unpacked).toMatchObject({ exitCode: 0 });
      const go = await sandbox.exec(
        `GOROOT=$PWD/usr/lib/go-1.19 GOPROXY=https://${HOST}/go GOSUMDB=off SSL_CERT_FILE=$PWD/ca.pem usr/lib/go-1.19/bin/go list -m -json tiny.test/tiny@v1.0.0`,
      );
      expect(go.stdout + go.stderr).toContain('"Version": "v1.0.0"');
      expect(go.egress[0]).toMatchObject({ host: HOST, port: 443, verdict: 'allow' });
      const manifest = '[package]\nname = "uses"\nversion = "0.1.0"\n[dependencies]\ntiny = "1.0"\n';
      const config = `[source.crates-io]\nreplace-with = "test"\n[source.test]\nregistry = "https://${HOST}/crates.git"\n[net]\ngit-fetch-with-cli = true\n`;
      await sandbox.files.write('uses/Cargo.toml', manifest);
      await sandbox.files.write('uses/src/lib.rs', '');
      await sandbox.files.write('uses/.cargo/config.toml', config);
      const cargo = await sandbox.exec(
        'cd uses && CARGO_HOME=/workspace/cargo CARGO_HTTP_CAINFO=/workspace/ca.pem GIT_SSL_CAINFO=/workspace/ca.pem RUSTC=/workspace/usr/bin/rustc LD_LIBRARY_PATH=/workspace/usr/lib/x86_64-linux-gnu ../usr/bin/cargo fetch && ls ../cargo/registry/cache/*',
      );
      expect(cargo.stdout + cargo.stderr).toContain('tiny-1.0.0.crate');
      expect(cargo.egress.map(({ host, verdict, execId }) => `${host} ${verdict} ${execId === cargo.id}`)).toEqual(
        expect.arrayContaining([`${HOST} allow true`]),
      );
      const java = await sandbox.exec(`usr/lib/jvm/java-17-*/bin/keytool -printcert -rfc -sslserver ${HOST}:443`);
      expect(java.stdout + java.stderr).toContain('BEGIN CERTIFICATE');
      // It sends no credentials, so the decision is the sandbox's and not the command's.
      expect(java.egress).toEqual([]);
    },
    300_000,
  );

  test('tools that are not in the image find the way out by their variables', async () => {
    const { stdout } = await sandbox.exec('env');
    const env = Object.fromEntries(stdout.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    // apt, go and cargo take the lower-case names, apt both from `http_proxy`; Java has its own.
    for (const name of ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'])
      expect(env[name]).toMatch(/^http:\/\/[\w-]+:x@127\.0\.0\.1:3128$/);
    expect(env['JAVA_TOOL_OPTIONS']).toContain('-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=3128');
    expect(env['GIT_SSH_COMMAND']).toContain('/run/cloister-init connect %h %p');
  });

  test('SOCKS is judged like everything else', async () => {
    const result = await sandbox.exec(
      `curl -sS --proxy socks5h://e1:x@127.0.0.1:3128 http://other.test/; curl -sS --proxy socks5://127.0.0.1:3128 http://169.254.169.254/; curl -sSk --proxy socks5h://127.0.0.1:3128 --connect-to other.test:443:${HOST}:443 https://other.test/`,
    );
    expect(result.stdout).toBe('');
    expect(result.exitCode).not.toBe(0);
  });

  test('a WebSocket upgrade passes, another one does not', async () => {
    const upgrade = (to: string) =>
      sandbox.exec([
        'python3',
        '-c',
        `import socket
s = socket.create_connection(("127.0.0.1", 3128)); s.settimeout(5)
s.sendall(b"GET http://${HOST}/ws HTTP/1.1\\r\\nHost: ${HOST}\\r\\nConnection: Upgrade\\r\\nUpgrade: ${to}\\r\\nSec-WebSocket-Key: x\\r\\n\\r\\n")
head = b""
while b"\\r\\n\\r\\n" not in head: head += s.recv(1024)
print(head.split(b"\\r\\n")[0].decode())
s.sendall(b"frame"); print(s.recv(100).decode() if b" 101 " in head else "")`,
      ]);
    expect((await upgrade('websocket')).stdout).toBe('HTTP/1.1 101 Switching Protocols\nframe\n');
    expect((await upgrade('h2c')).stdout).toContain('HTTP/1.1 403 Forbidden');
  });
});

describe('a host that needs a confirmation', () => {
  const get = async () => (await sandbox.exec(`curl -s -o /dev/null -w '%{http_code}' http://ask.test/x`)).stdout;

  test('is asked for each time it was allowed once, and not again when it was allowed for the session', async () => {
    answer = async () => 'deny';
    const denied = await sandbox.exec('curl -sS http://ask.test/x');
    expect(denied.stdout).toContain('confirmationDenied');
    expect(asked.at(-1)).toMatchObject({
      kind: 'egress',
      sandboxId: sandbox.id,
      session: 'tools',
      execId: denied.id,
      rule: 'policy.ask:ask.test',
      arguments: { host: 'ask.test', port: 80, path: '/x' },
    });
    answer = async () => 'allow-once';
    const before = asked.length;
    expect([await get(), await get()]).toEqual(['404', '404']);
    expect(asked.length).toBe(before + 2);
    answer = async () => 'allow-session';
    expect([await get(), await get(), await get()]).toEqual(['404', '404', '404']);
    expect(asked.length).toBe(before + 3);
    await sandbox.egress.set({ allow: [HOST, `${HOST}:80`], ask: ['ask.test'] });
    answer = async () => 'deny';
    expect(await get()).toBe('403');
  });

  test('is denied when no answer comes in time, when the callback fails, and when there is none', async () => {
    answer = () => new Promise(() => undefined);
    expect((await sandbox.exec('curl -sS http://ask.test/x')).stdout).toContain('confirmationTimedOut');
    answer = async () => {
      throw new Error('no');
    };
    expect((await sandbox.exec('curl -sS http://ask.test/x')).stdout).toContain('confirmationDenied');
    const quiet = await daemon.connect('acme');
    const alone = await quiet.open({
      session: 'alone',
      profile: 'workspace-write',
      egress: { ask: ['ask.test'] },
      workspace: { retain: 'delete' },
    });
    const result = await alone.exec('curl -sS http://ask.test/x');
    expect(result.stdout).toContain('confirmationMissing');
    expect(result.egress).toMatchObject([{ verdict: 'deny', reason: 'confirmationMissing', rule: 'policy.ask:ask.test' }]);
    await alone.close();
  });
});
