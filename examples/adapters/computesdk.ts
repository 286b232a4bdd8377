// ComputeSDK with Cloister as its provider.

import { compute } from 'computesdk';
import { cloister as provider } from '../../client/adapters/computesdk/index.ts';
import { Cloister } from '../../client/index.ts';

const cloister = await Cloister.connect({
  url: process.env['CLOISTER_URL'] ?? 'ws://127.0.0.1:7070',
  token: process.env['CLOISTER_TOKEN'] ?? '',
});
compute.setConfig({ provider: provider({ cloister }) });

const sandbox = await compute.sandbox.create({ name: 'compute-sdk', envs: { NAME: 'you' } });
const { stdout, exitCode } = await sandbox.runCommand('echo "hello $NAME"; exit 3');
console.log(exitCode, stdout); // 3 hello you
await sandbox.destroy();

await cloister.close();
