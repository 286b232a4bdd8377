// A sandbox agent of the OpenAI Agents SDK. The scripted model stands for yours; leave `model` out for the default one.

import { run } from '@openai/agents';
import { assistantMessage, functionCall, ScriptedModel } from '@openai/agents-core/testing';
import { filesystem, SandboxAgent, shell } from '@openai/agents/sandbox';
import { CloisterSandboxClient } from '../../client/adapters/openai-agents/index.ts';
import { Cloister } from '../../client/index.ts';

const cloister = await Cloister.connect({
  url: process.env['CLOISTER_URL'] ?? 'ws://127.0.0.1:7070',
  token: process.env['CLOISTER_TOKEN'] ?? '',
});

const model = new ScriptedModel([
  [functionCall('exec_command', { cmd: 'read name; echo "hello $name"', tty: true, yield_time_ms: 100 }, { callId: '1' })],
  [functionCall('write_stdin', { session_id: 1, chars: 'you\n', yield_time_ms: 5000 }, { callId: '2' })],
  [assistantMessage('It greets.')],
]);
const agent = new SandboxAgent({ name: 'greeter', model, capabilities: [shell(), filesystem()] });
const client = new CloisterSandboxClient({ cloister, open: { workspace: { retain: 'delete' } } });

const result = await run(agent, 'Try the greeting.', { sandbox: { client } });
for (const item of result.newItems) if (item.type === 'tool_call_output_item') console.log(item.output);
console.log(result.finalOutput);

await cloister.close();
