// Bytes through a tunnel, and many tunnels at once: from inside a sandbox, beside the same through socat on the host.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import type { Sandbox } from 'cloister';
import { compare } from '../harness/comparison.ts';
import type { Scope } from '../harness/scope.ts';
import type { Workload } from '../harness/workload.ts';

const run = promisify(execFile);
const ADDRESS = '127.81.12.1';
const [ECHO_PORT, SOURCE_PORT, SOCAT_PORT] = [8082, 8083, 8084];
const BLOCK = Buffer.alloc(256 * 1024);
const SANDBOXES = 8;
const TUNNELS_EACH = 63;

/** Reads that many bytes, through a proxy if `target` is not empty; prints MB/s. */
const READER = `import socket, sys, time
host, port, target, size = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
s = socket.create_connection((host, port))
if target:
    s.sendall(("CONNECT %s HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n" % (target, target)).encode())
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"): head += s.recv(1)
s.sendall(b"go")
left, buffer, at = size, bytearray(1 << 18), time.perf_counter()
while left > 0:
    got = s.recv_into(buffer)
    if got == 0: sys.exit("closed")
    left -= got
print(size / (time.perf_counter() - at) / 1e6)`;

/** Opens tunnels, says so, waits for a line, sends a byte through each and prints how many brought it back. */
const HOLDER = `import socket, sys
target, count = sys.argv[1], int(sys.argv[2])
held = []
for _ in range(count):
    s = socket.create_connection(("127.0.0.1", 3128)); s.settimeout(20)
    s.sendall(("CONNECT %s HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n" % (target, target)).encode())
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"):
        part = s.recv(1)
        if not part: break
        head += part
    if b" 200 " in head: held.append(s)
print("up", flush=True); sys.stdin.readline()
for s in held: s.sendall(b"x")
print(sum(1 for s in held if s.recv(1) == b"x"))`;

export const egressTunnel: Workload = {
  name: 'egress tunnel',
  unit: 'MB/s',
  what: 'bytes from a server on the host through CONNECT into a sandbox',
  async run({ open, scope }, { isQuick }) {
    await listen(SOURCE_PORT, scope, (socket) => socket.once('data', () => pour(socket)));
    const socat = spawn('socat', [`TCP-LISTEN:${SOCAT_PORT},bind=${ADDRESS},fork,reuseaddr`, `TCP:${ADDRESS}:${SOURCE_PORT}`], {
      stdio: 'ignore',
    });
    scope.defer(() => void socat.kill());
    const sandbox = await open({ profile: 'workspace-write', egress: { allow: [`${ADDRESS}:${SOURCE_PORT}`] } });
    const size = String((isQuick ? 100 : 400) * 1_000_000);
    const samples = await compare(
      [
        {
          name: 'cloister',
          sample: async () => number(await sandbox.exec(['python3', '-c', READER, '127.0.0.1', '3128', `${ADDRESS}:${SOURCE_PORT}`, size])),
        },
        { name: 'socat', sample: async () => Number((await run('python3', ['-c', READER, ADDRESS, String(SOCAT_PORT), '', size])).stdout) },
        {
          name: 'direct',
          sample: async () => Number((await run('python3', ['-c', READER, ADDRESS, String(SOURCE_PORT), '', size])).stdout),
        },
      ],
      isQuick ? { warmUp: 1, rounds: 3 } : { warmUp: 1, rounds: 8 },
    );
    await sandbox.close();
    return samples;
  },
};

export const egressTunnels: Workload = {
  name: 'egress tunnels',
  unit: 'tunnels',
  what: `tunnels that are open at once and alive, over ${SANDBOXES} sandboxes`,
  async run({ open, scope }) {
    await listen(ECHO_PORT, scope, (socket) => socket.pipe(socket));
    const target = `${ADDRESS}:${ECHO_PORT}`;
    const sandboxes: Sandbox[] = [];
    for (let index = 0; index < SANDBOXES; index += 1)
      sandboxes.push(await open({ profile: 'workspace-write', egress: { allow: [target] }, limits: { memoryBytes: 256 * 1024 * 1024 } }));
    const sample = async (): Promise<number> => {
      const ups: Promise<void>[] = [];
      const running = sandboxes.map((sandbox) => {
        let isUp: () => void = () => undefined;
        ups.push(new Promise((resolve) => (isUp = resolve)));
        return sandbox.exec(['python3', '-c', HOLDER, target, String(TUNNELS_EACH)], { stdin: true, onStdout: () => isUp() });
      });
      await Promise.all(ups);
      const results = await Promise.all(running.map(async (execution) => (await execution.write('go\n'), await execution)));
      return results.reduce((sum, { stdout }) => sum + Number(stdout.split('\n')[1]), 0);
    };
    const samples = await compare([{ name: 'cloister', sample }], { warmUp: 0, rounds: 3 });
    for (const sandbox of sandboxes) await sandbox.close();
    return samples;
  },
};

async function listen(port: number, scope: Scope, onSocket: (socket: Socket) => void): Promise<void> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    onSocket(socket);
  });
  server.listen({ port, host: ADDRESS, backlog: 1024 });
  await once(server, 'listening');
  scope.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
}

function pour(socket: Socket): void {
  while (!socket.destroyed && socket.write(BLOCK));
  if (!socket.destroyed) socket.once('drain', () => pour(socket));
}

function number({
  stdout,
  stderr,
  exitCode,
}: {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
}): number {
  if (exitCode !== 0) throw new Error(`Cannot count the bytes: ${stderr}`);
  return Number(stdout);
}
