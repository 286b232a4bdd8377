// Every case of the table through the real socket, from inside a real sandbox. Nothing it asks for is ever connected to
// but the one address that an operator has opened; what would be public is told by explain, which dials nothing.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { type EgressCase, egressCases, targetOf } from '../support/egress-cases.ts';
import { type TestNames, startTestNames } from '../support/egress-names.ts';
import { startTestOrigin, type TestOrigin } from '../support/egress-origins.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const ADDRESS = '127.81.5.1';

/** Sends each of its lines (base64) on a connection of its own and prints the first line that comes back. */
const SENDER = `import base64, socket, sys
for line in sys.stdin:
    s = socket.create_connection(("127.0.0.1", 3128)); s.settimeout(8)
    s.sendall(base64.b64decode(line))
    got = b""
    try:
        while True:
            part = s.recv(65536)
            if not part: break
            got += part
            if b"\\r\\n" in got: break
    except OSError: pass
    print(got.split(b"\\r\\n")[0].decode("latin1"), flush=True)
    s.close()
`;

let origin: TestOrigin;
let names: TestNames;
let daemon: TestDaemon;
let client: Cloister;
let listed: Sandbox;
let open: Sandbox;

beforeAll(async () => {
  origin = await startTestOrigin({ address: ADDRESS, names: ['allowed.test'] });
  names = await startTestNames((name) =>
    name === 'nx.example.org' ? { code: 3 } : name === 'servfail.example.org' ? { code: 2 } : (ZONE[name] ?? [ADDRESS]),
  );
  daemon = await startTestDaemon({
    config: { egress: { resolver: [names.address], allowPrivate: [ADDRESS], limits: { requestsPerSecond: 10_000 } } },
  });
  client = await daemon.connect('acme');
  listed = await client.open({ session: 'listed', profile: 'workspace-write', egress: { allow: ['allowed.test', '*.wild.test'] } });
  open = await client.open({ session: 'open', profile: 'workspace-write', egress: { mode: 'open' } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await names[Symbol.asyncDispose]();
});

const ZONE: Record<string, readonly string[] | { readonly alias: string }> = {
  'internal-a.example.org': ['10.0.0.5'],
  'azwire.example.org': ['168.63.129.16'],
  '169.254.169.254.nip.io': ['169.254.169.254'],
  'company.127.0.0.1.nip.io': ['127.0.0.1'],
  'mixed.example.org': [ADDRESS, '10.0.0.5'],
  'mixed6.example.org': [ADDRESS, '::1'],
  'mapped.example.org': ['::ffff:a00:5'],
  'll6.example.org': ['fe80::1'],
  'self.example.org': ['127.0.0.1'],
  'cname-loop.example.org': { alias: 'cname-loop.example.org' },
};

/** As a client that means harm writes it: the target goes out byte for byte. */
function requestOf({ input, category }: EgressCase): Buffer {
  if (input.startsWith('RAW:')) return rawBytes(input.slice('RAW:'.length));
  const text = category.startsWith('redirect') ? (input.split(' -> ')[1] ?? '') : input.replace(/ \[.*\]$/, '');
  if (text.startsWith('CONNECT '))
    return Buffer.from(`${text} HTTP/1.1\r\nHost: ${text.slice('CONNECT '.length).split('/')[0] ?? ''}\r\n\r\n`);
  const authority = /^[a-z]+:\/\/([^/]*)/i.exec(text)?.[1] ?? 'allowed.test';
  return Buffer.from(`GET ${text} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
}

function rawBytes(text: string): Buffer {
  const escaped = text.replaceAll('\\r', '\r').replaceAll('\\n', '\n').replaceAll('\\x00', '\0');
  return Buffer.from(escaped.replaceAll(/<(\d+) bytes>/g, (_, count: string) => 'a'.repeat(Number(count))).replace(/<ClientHello.*>/, ''));
}

async function answers(sandbox: Sandbox, requests: readonly Buffer[]): Promise<string[]> {
  const result = await sandbox.exec(['python3', '-c', SENDER], {
    stdin: requests.map((bytes) => `${bytes.toString('base64')}\n`).join(''),
  });
  expect(result.stderr).toBe('');
  return result.stdout.trimEnd().split('\n');
}

/** How often anything was dialled: nothing is before it is on record. */
const dials = async (): Promise<number> =>
  (await readFile(join(daemon.stateDir, 'audit.jsonl'), 'utf8')).split('\n').filter((line) => line.includes('"kind":"egress.start"'))
    .length;

describe('the table of cases, through the socket', () => {
  const wire = egressCases().filter(({ category }) => !category.startsWith('raw/') && !category.includes('timeout'));
  const isList = ({ category }: EgressCase) => category.includes('allowlist') || category.startsWith('redirect');

  test.each([
    ['of an allowlist', true],
    ['of an open policy', false],
  ])('every denial %s', async (_, wantsList) => {
    const cases = wire.filter((one) => one.expected === 'deny' && isList(one) === wantsList);
    const before = [origin.connections(), await dials()];
    const lines = await answers(wantsList ? listed : open, cases.map(requestOf));
    const wrong = cases
      .map((one, index) => `${lines[index] ?? 'nothing'}: ${one.input}`)
      .filter((line) => !/^HTTP\/1\.1 (400|403|405|431|505) /.test(line));
    expect(wrong).toEqual([]);
    expect(lines).toHaveLength(cases.length);
    expect([origin.connections(), await dials()]).toEqual(before);
  });

  test('every host that may be reached is, or would be', async () => {
    for (const one of wire.filter(({ expected }) => expected === 'allow')) {
      const sandbox = isList(one) ? listed : open;
      const url = one.input.replace(/ \[.*\]$/, '').replace('CONNECT ', '');
      expect(targetOf(one), one.input).not.toBeNull();
      expect(await sandbox.egress.explain(url), one.input).toMatchObject({ verdict: 'allow' });
    }
  });
});

describe('requests that are more than one reading', () => {
  const raw = egressCases().filter(
    ({ category, input }) => category.startsWith('raw/') && !/spoofed|pipelined|RAW:</.test(category + input),
  );

  test('every one is refused, and the plain one is served', async () => {
    const lines = await answers(listed, raw.map(requestOf));
    const served = raw.filter((_, index) => lines[index]?.startsWith('HTTP/1.1 200') === true).map(({ category }) => category);
    expect(served).toEqual(['raw/baseline', 'raw/baseline']);
    expect(lines.filter((line) => !/^HTTP\/1\.1 \d{3} /.test(line))).toEqual([]);
  });

  test.each([
    ['another protocol', 'SSH-2.0-x\r\n'],
    ['a request in the clear', 'GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n'],
    ['TLS that names nobody', '\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03' + 'a'.repeat(32) + '\x00\x00\x02\x13\x01\x01\x00'],
  ])('a tunnel to 443 that carries %s is dialled for by nobody', async (_, first) => {
    const before = origin.connections();
    const result = await listed.exec([
      'python3',
      '-c',
      `import base64, socket, sys
s = socket.create_connection(("127.0.0.1", 3128)); s.settimeout(8)
s.sendall(b"CONNECT allowed.test:443 HTTP/1.1\\r\\nHost: allowed.test:443\\r\\n\\r\\n" + base64.b64decode("${Buffer.from(first, 'latin1').toString('base64')}"))
got = b""
while True:
    part = s.recv(4096)
    if not part: break
    got += part
print(got)`,
    ]);
    expect(result.stdout).toContain('200 Connection Established');
    expect(result.stdout).toContain('\\x15\\x03\\x01');
    expect(origin.connections()).toBe(before);
  });

  test('a second request on a connection is judged on its own', async () => {
    const { stdout } = await listed.exec([
      'python3',
      '-c',
      `import socket
s = socket.create_connection(("127.0.0.1", 3128)); s.settimeout(8)
s.sendall(b"GET http://allowed.test/first HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\nGET http://evil.test/second HTTP/1.1\\r\\nHost: evil.test\\r\\nConnection: close\\r\\n\\r\\n")
got = b""
while True:
    part = s.recv(4096)
    if not part: break
    got += part
print(got.decode())`,
    ]);
    expect(stdout).toContain('hello from allowed.test/first');
    expect(stdout).toContain('403 Forbidden');
    expect(origin.seen.map(({ path }) => path)).not.toContain('/second');
  });

  test('fields that claim to be somebody else change nothing and reach nobody', async () => {
    await answers(listed, [
      Buffer.from(
        'GET http://allowed.test/spoof HTTP/1.1\r\nHost: allowed.test\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: a\r\nVia: 1.1 x\r\nForwarded: for=a\r\nProxy-Authorization: Basic b3RoZXI6dGVuYW50\r\nX-Kept: yes\r\nConnection: close, X-Named\r\nX-Named: no\r\n\r\n',
      ),
    ]);
    const { headers } = origin.seen.find(({ path }) => path === '/spoof')!;
    expect(Object.keys(headers).sort()).toEqual(['connection', 'host', 'x-kept']);
  });
});

describe('bodies', () => {
  test.each([
    ['of a stated length', 'Content-Length: 5\r\n\r\nhello', 'hello'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n', 'hello'],
  ])('%s arrive whole, and what follows is the next request', async (_, rest, body) => {
    const path = `/body-${rest.length}`;
    const { stdout } = await listed.exec([
      'python3',
      '-c',
      `import base64, socket
s = socket.create_connection(("127.0.0.1", 3128)); s.settimeout(8)
s.sendall(base64.b64decode("${Buffer.from(`POST http://allowed.test${path} HTTP/1.1\r\nHost: allowed.test\r\n${rest}GET http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n`).toString('base64')}"))
got = b""
while True:
    part = s.recv(4096)
    if not part: break
    got += part
print(got.decode())`,
    ]);
    expect(stdout).toContain('403 Forbidden');
    expect(origin.seen.find((request) => request.path === path)).toMatchObject({ method: 'POST', body });
  });

  test.each([
    ['a chunk size that is none', 'zz\r\nhello\r\n0\r\n\r\n'],
    ['a chunk extension', '5;a=b\r\nhello\r\n0\r\n\r\n'],
    ['a trailer field', '0\r\nX: y\r\n\r\n'],
    ['a chunk longer than it says', '2\r\nhello\r\n0\r\n\r\n'],
  ])('%s never becomes a request', async (_, chunks) => {
    const before = origin.seen.length;
    const [line] = await answers(listed, [
      Buffer.from(`POST http://allowed.test/chunks HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`),
    ]);
    expect(line).not.toContain('200');
    expect(origin.seen.length).toBe(before);
  });
});
