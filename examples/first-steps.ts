// The first program of the README: open a sandbox, write a file, run, stream, limit, close.

import { Cloister } from '../client/index.ts';

const cloister = await Cloister.connect({
  url: process.env['CLOISTER_URL'] ?? 'ws://127.0.0.1:7070',
  token: process.env['CLOISTER_TOKEN'] ?? '',
});
const sandbox = await cloister.open({ session: 'first-steps', limits: { memoryBytes: 256 * 1024 * 1024 } });

await sandbox.files.write('hello.py', 'import sys\nfor n in range(3): print("hello", n)\nsys.exit(7)\n');

const result = await sandbox.exec(['python3', 'hello.py']);
console.log(result.outcome, result.exitCode, result.stdout); // exited 7 hello 0 ...

for await (const chunk of sandbox.exec('for n in 1 2 3; do echo tick $n; sleep 0.2; done')) {
  console.log(chunk.stream, chunk.text); // stdout tick 1 ..., as it happens
}

const slow = await sandbox.exec('sleep 60', { timeoutMs: 500 });
console.log(slow.outcome); // timedOut, and no process is left

console.log(sandbox.receipt.uid, sandbox.receipt.network.interfaces); // never 0, and only lo

await sandbox.close({ workspace: 'delete' });
await cloister.close();
