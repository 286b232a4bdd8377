// A Mastra workspace in a sandbox: give it to an agent as `workspace`, or use it as here.

import { Workspace } from '@mastra/core/workspace';
import { CloisterFilesystem, CloisterSandbox } from '../../client/adapters/mastra/index.ts';
import { Cloister } from '../../client/index.ts';

const cloister = await Cloister.connect({
  url: process.env['CLOISTER_URL'] ?? 'ws://127.0.0.1:7070',
  token: process.env['CLOISTER_TOKEN'] ?? '',
});
const sandbox = new CloisterSandbox({ cloister, open: { session: 'mastra' } });
const workspace = new Workspace({ sandbox, filesystem: new CloisterFilesystem(sandbox) });

await workspace.filesystem?.writeFile('/greet.sh', 'read name; echo "hello $name"\n');
const greeting = await sandbox.processes.spawn('bash greet.sh');
await greeting.sendStdin('you\n');
console.log((await greeting.wait()).stdout); // hello you

await workspace.destroy();
await cloister.close();
