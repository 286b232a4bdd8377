// The tool runner of the Anthropic SDK with bash and text editor in a sandbox. The scripted fetch stands for the API.

import Anthropic from '@anthropic-ai/sdk';
import { createBashTool, createTextEditorTool } from '../../client/adapters/anthropic/index.ts';
import { Cloister } from '../../client/index.ts';

const cloister = await Cloister.connect({
  url: process.env['CLOISTER_URL'] ?? 'ws://127.0.0.1:7070',
  token: process.env['CLOISTER_TOKEN'] ?? '',
});
const sandbox = await cloister.open({ session: 'anthropic', workspace: { retain: 'delete' } });

const replies = [
  { stop_reason: 'tool_use', content: [{ type: 'tool_use', id: 'toolu_1', name: 'bash', input: { command: 'cd /tmp && pwd' } }] },
  { stop_reason: 'end_turn', content: [{ type: 'text', text: 'I am in /tmp.' }] },
].map((reply) => ({ id: 'msg', type: 'message', role: 'assistant', model: 'scripted', usage: {}, stop_sequence: null, ...reply }));
const anthropic = new Anthropic({ apiKey: 'none', fetch: async () => Response.json(replies.shift()) });

const bash = createBashTool(sandbox);
const message = await anthropic.beta.messages.toolRunner({
  model: 'scripted',
  max_tokens: 1000,
  messages: [{ role: 'user', content: 'Go to /tmp.' }],
  tools: [bash, createTextEditorTool(sandbox)],
});
console.log(message.content);

await bash.close?.();
await sandbox.close();
await cloister.close();
