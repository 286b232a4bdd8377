// A request that is allowed, through relay, egress process and judge, beside the same request sent directly.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { promisify } from 'node:util';
import { compare } from '../harness/comparison.ts';
import type { Workload } from '../harness/workload.ts';

const run = promisify(execFile);
const ADDRESS = '127.81.11.1';
const PORT = 8081;
/** On one connection, one after the other; prints the median in milliseconds. */
const CLIENT = `import socket, sys, time
host, port, target, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
s = socket.create_connection((host, port)); s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
request = ("GET %s HTTP/1.1\\r\\nHost: ${ADDRESS}:${PORT}\\r\\n\\r\\n" % target).encode()
took = []
for _ in range(count):
    at = time.perf_counter(); s.sendall(request); got = b""
    while not got.endswith(b"hello"): 
        part = s.recv(65536)
        if not part: sys.exit("closed")
        got += part
    if not got.startswith(b"HTTP/1.1 200"): sys.exit(got.decode())
    took.append(time.perf_counter() - at)
print(sorted(took)[len(took) // 2] * 1000)`;

export const egressRequest: Workload = {
  name: 'egress request',
  unit: 'ms',
  what: 'what the way out adds to the median of a small allowed request on a kept connection',
  async run({ open, scope }, { isQuick }) {
    const origin = createServer((_request, response) => response.end('hello'));
    origin.listen(PORT, ADDRESS);
    await once(origin, 'listening');
    scope.defer(() => origin.closeAllConnections());
    scope.defer(() => void origin.close());
    const sandbox = await open({ profile: 'workspace-write', egress: { allow: [`${ADDRESS}:${PORT}`] } });
    // Within the rate that a sandbox has by default.
    const count = 80;
    const direct = async (): Promise<number> =>
      Number((await run('python3', ['-c', CLIENT, ADDRESS, String(PORT), '/', String(count)])).stdout);
    const proxied = async (): Promise<number> => {
      const target = `http://${ADDRESS}:${PORT}/`;
      const { stdout, stderr, exitCode } = await sandbox.exec(['python3', '-c', CLIENT, '127.0.0.1', '3128', target, String(count)]);
      if (exitCode !== 0) throw new Error(`Cannot count the request: ${stderr}`);
      return Number(stdout);
    };
    const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1_000));
    const samples = await compare(
      [
        { name: 'cloister', sample: async () => (await proxied()) - (await direct()), settle },
        { name: 'through the proxy', sample: proxied, settle },
        { name: 'direct', sample: direct },
      ],
      isQuick ? { warmUp: 1, rounds: 3 } : { warmUp: 2, rounds: 12 },
    );
    await sandbox.close();
    return samples;
  },
};
