// A deep agent whose files and commands are those of a sandbox. The fake model stands for yours.

import { createDeepAgent } from 'deepagents';
import { AIMessage, fakeModel } from 'langchain';
import { CloisterBackend } from '../../client/adapters/deepagents/index.ts';
import { Cloister } from '../../client/index.ts';

const cloister = await Cloister.connect({
  url: process.env['CLOISTER_URL'] ?? 'ws://127.0.0.1:7070',
  token: process.env['CLOISTER_TOKEN'] ?? '',
});
const sandbox = await cloister.open({ session: 'deep-agents', workspace: { retain: 'delete' } });

const model = fakeModel()
  .respondWithTools([{ name: 'write_file', args: { file_path: '/notes.md', content: '# Notes\n' }, id: '1' }])
  .respondWithTools([{ name: 'execute', args: { command: 'cat notes.md' }, id: '2' }])
  .respond(new AIMessage('Written and read.'));

const agent = createDeepAgent({ model, backend: new CloisterBackend(sandbox) });
const { messages } = await agent.invoke({ messages: [{ role: 'user', content: 'Take a note.' }] });
for (const message of messages) console.log(message.type, message.text);

await sandbox.close();
await cloister.close();
