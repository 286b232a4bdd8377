// What a sandbox tries beside the proxy: ICMP, UDP, DNS, raw packets, its host and other sandboxes. Nothing leaves it, and each
// attempt fails for the reason that is meant: there is no route, no such listener, no such right.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

/** Of the neighbour's services. */
const PORT = 8123;
const ABSTRACT = 'cloister-network-test';
/** `say` tells what an attempt got, or the name of its error. */
const TRY = `import errno, socket, struct
def say(f):
    try: print("GOT", f())
    except socket.gaierror as e: print("NO NAME")
    except OSError as e: print(errno.errorcode.get(e.errno, e))
def tcp(host, port, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(3); s.connect((host, port)); s.send(b"x"); return s.recv(64)
def udp(host, port, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(3); s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.connect((host, port)); s.send(b"x"); return s.recv(64)
def unix(name):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.settimeout(3); s.connect(name); return s.recv(64)
def ping(family, kind, protocol, host):
    s = socket.socket(family, kind, protocol); s.settimeout(3)
    s.sendto(bytes([8 if family == socket.AF_INET else 128, 0, 0, 0, 0, 0, 0, 0]), (host, 0)); return s.recv(64)
`;
/** Answers on every kind of socket that a neighbour could look for. */
const SERVE = `import selectors, socket, sys
every = selectors.DefaultSelector()
for family, name in ((socket.AF_INET, ("0.0.0.0", ${PORT})), (socket.AF_UNIX, "\\0${ABSTRACT}-inside"), (socket.AF_UNIX, "/workspace/its.sock"), (socket.AF_UNIX, "/tmp/its.sock")):
    s = socket.socket(family); s.bind(name); s.listen(8); every.register(s, selectors.EVENT_READ, True)
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); d.bind(("0.0.0.0", ${PORT})); every.register(d, selectors.EVENT_READ, False)
print("up", flush=True)
while True:
    for key, _ in every.select():
        if key.data: key.fileobj.accept()[0].sendall(b"its own")
        else: d.sendto(b"its own", d.recvfrom(8)[1])`;

let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;
let neighbour: Sandbox;
/** Of services of the host that listen everywhere, and how often they were reached. */
let hostPort = 0;
let reached = 0;
const services: (Server | Socket)[] = [];

beforeAll(async () => {
  const count = (): void => {
    reached += 1;
  };
  const [anywhere, everywhere, abstract, datagrams] = [
    createServer(count),
    createServer(count),
    createServer(count),
    createSocket('udp4', count),
  ];
  anywhere.listen(0, '0.0.0.0');
  await once(anywhere, 'listening');
  hostPort = (anywhere.address() as AddressInfo).port;
  everywhere.listen({ port: hostPort, host: '::', ipv6Only: true });
  abstract.listen({ path: `\0${ABSTRACT}` });
  datagrams.bind(hostPort, '0.0.0.0');
  services.push(anywhere, everywhere, abstract, datagrams);
  await Promise.all([everywhere, abstract, datagrams].map((service) => once(service, 'listening')));
  daemon = await startTestDaemon();
  client = await daemon.connect('acme');
  [sandbox, neighbour] = await Promise.all([
    client.open({ session: 'inside', profile: 'workspace-write', egress: { mode: 'open' } }),
    client.open({ session: 'neighbour', profile: 'workspace-write' }),
  ]);
  await new Promise<void>((resolve, reject) => {
    neighbour
      .exec(['python3', '-c', SERVE], { background: true, onStdout: () => resolve(), onStderr: (text) => reject(new Error(text)) })
      .then(() => undefined, reject);
  });
});
afterAll(async () => {
  for (const service of services) service.close();
  await daemon[Symbol.asyncDispose]();
});

/** What came of it; nothing of it is a matter of the proxy. */
const tried = async (attempt: string, from: Sandbox = sandbox): Promise<string> => {
  const { stdout, stderr, egress } = await from.exec(['python3', '-c', `${TRY}say(lambda: ${attempt})`], { timeoutMs: 30_000 });
  expect(egress).toEqual([]);
  return (stdout + stderr).trim();
};
const INET6 = 'socket.AF_INET6';
/** A kernel without IPv6 on `lo` has no address to send from, another one no route. */
const NO_IPV6 = /^(?:EADDRNOTAVAIL|ENETUNREACH)$/;

describe('nothing leaves a sandbox in mode open', () => {
  test.each<[string, string, string | RegExp]>([
    ['a ping to a name', 'ping(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP, "example.com")', 'EPERM'],
    ['a ping socket', 'ping(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP, "8.8.8.8")', 'EPERM'],
    ['a ping socket of IPv6', `ping(${INET6}, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6, "2001:4860:4860::8888")`, 'EPERM'],
    ['raw ICMP', 'ping(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP, "8.8.8.8")', 'EPERM'],
    ['raw ICMPv6', `ping(${INET6}, socket.SOCK_RAW, socket.IPPROTO_ICMPV6, "2001:4860:4860::8888")`, 'EPERM'],
    ['raw IP with a header of its own', 'ping(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW, "8.8.8.8")', 'EPERM'],
    ['a packet socket', 'socket.socket(17, socket.SOCK_RAW, 3)', 'EPERM'],
    ['SCTP', 'socket.socket(socket.AF_INET, socket.SOCK_SEQPACKET, 132).connect(("8.8.8.8", 80))', 'EPERM'],
    ['UDP-Lite', 'socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136).connect(("8.8.8.8", 53))', 'EPERM'],
    ['UDP to a public address', 'udp("8.8.8.8", 443)', 'ENETUNREACH'],
    ['UDP to a public IPv6 address', `udp("2001:4860:4860::8888", 443, ${INET6})`, NO_IPV6],
    ['UDP to everybody on the link', 'udp("255.255.255.255", 9)', 'ENETUNREACH'],
    ['UDP to a multicast group', 'udp("224.0.0.251", 5353)', 'ENETUNREACH'],
    ['UDP to all nodes of IPv6', `udp("ff02::1", 5353, ${INET6})`, 'EINVAL'],
    ['a name by the resolver', 'socket.getaddrinfo("example.com", 80)', 'NO NAME'],
    ['a name by the resolver of the host', 'udp("127.0.0.53", 53)', 'ECONNREFUSED'],
    ['a name by the resolver that is configured', 'udp("127.0.0.1", 53)', 'ECONNREFUSED'],
    ['a name by a public resolver', 'udp("8.8.8.8", 53)', 'ENETUNREACH'],
    ['a name by a public resolver over TCP', 'tcp("8.8.8.8", 53)', 'ENETUNREACH'],
    ['a name by a public resolver over TLS', 'tcp("1.1.1.1", 853)', 'ENETUNREACH'],
    ['TCP to a public address', 'tcp("93.184.216.34", 80)', 'ENETUNREACH'],
    ['TCP with data in its first packet', 'socket.socket().sendto(b"x", 0x20000000, ("93.184.216.34", 80))', 'ENETUNREACH'],
    ['TCP to a public IPv6 address', `tcp("2606:2800:220:1::1", 80, ${INET6})`, NO_IPV6],
    ['TCP to the metadata service', 'tcp("169.254.169.254", 80)', 'ENETUNREACH'],
  ])('%s', async (_, attempt, reason) => {
    expect(await tried(attempt)).toMatch(reason);
  });
});

describe('nothing that listens outside is reached from a sandbox', () => {
  test('no service of the host, on any of its addresses', async () => {
    const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).filter(({ family }) => family === 'IPv4'));
    for (const { address } of addresses) {
      const reason = address.startsWith('127.') ? 'ECONNREFUSED' : 'ENETUNREACH';
      for (const kind of ['tcp', 'udp']) expect(await tried(`${kind}("${address}", ${hostPort})`), `${kind} ${address}`).toBe(reason);
    }
    expect(await tried(`tcp("::1", ${hostPort}, ${INET6})`)).toMatch(/^(?:EADDRNOTAVAIL|ECONNREFUSED)$/);
    const { hostname, port } = new URL(daemon.url);
    expect(await tried(`tcp("${hostname}", ${port})`), 'the daemon').toBe('ECONNREFUSED');
    expect(reached).toBe(0);
  });

  test('no unix socket of the host: neither an abstract one nor one with a path', async () => {
    expect(await tried(`unix("\\0${ABSTRACT}")`)).toBe('ECONNREFUSED');
    expect(await tried(`unix("${daemon.stateDir}/api.sock")`)).toBe('ENOENT');
    expect(await tried('unix("/var/run/docker.sock")')).toBe('ENOENT');
    expect(reached).toBe(0);
  });

  test.each<[string, string, string]>([
    ['a port', `tcp("127.0.0.1", ${PORT})`, 'ECONNREFUSED'],
    ['a datagram port', `udp("127.0.0.1", ${PORT})`, 'ECONNREFUSED'],
    ['an abstract socket', `unix("\\0${ABSTRACT}-inside")`, 'ECONNREFUSED'],
    ['a socket in the workspace', 'unix("/workspace/its.sock")', 'ENOENT'],
    ['a socket in /tmp', 'unix("/tmp/its.sock")', 'ENOENT'],
  ])('not %s of another sandbox, although that sandbox reaches it', async (_, attempt, reason) => {
    expect(await tried(attempt, neighbour)).toBe("GOT b'its own'");
    expect(await tried(attempt)).toBe(reason);
  });
});
