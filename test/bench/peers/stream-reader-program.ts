// A process that reads the output of a command and counts it, for each line it gets: one contender of the stream workload, with
// nothing loaded but what that one needs. Arguments: the contender, then where it finds its daemon or engine.

import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';

type Reader = (command: readonly string[]) => Promise<number>;

const READERS: Readonly<Record<string, (...where: string[]) => Promise<Reader>>> = {
  async cloister(url = '', token = '', session = '') {
    const { Cloister } = await import('cloister');
    const client = await Cloister.connect({ url, token });
    const sandbox = await client.open({ session, role: 'participant' });
    return async (command) => {
      let bytes = 0;
      for await (const chunk of sandbox.exec(command)) bytes += chunk.bytes.byteLength;
      return bytes;
    };
  },
  async dockerode(socketPath = '', container = '') {
    const { default: Docker } = await import('dockerode');
    const { dockerodeExec } = await import('./dockerode-exec.ts');
    const docker = new Docker({ socketPath });
    return async (command) => (await dockerodeExec(docker, container, command)).stdoutBytes;
  },
  async 'dockerode-raw'(socketPath = '', container = '') {
    const { default: Docker } = await import('dockerode');
    const { dockerodeExecRaw } = await import('./dockerode-exec.ts');
    const docker = new Docker({ socketPath });
    return (command) => dockerodeExecRaw(docker, container, command);
  },
};

const [kind = '', ...where] = process.argv.slice(2);
const read = await READERS[kind]?.(...where);
if (read === undefined) throw new Error(`There is no reader called ${kind}`);
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const startedAt = performance.now();
  const bytes = await read(line.split(' '));
  process.stdout.write(`${JSON.stringify({ bytes, ms: performance.now() - startedAt })}\n`);
}
process.exit(0);
