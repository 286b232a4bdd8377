// An agent of the Vercel AI SDK that works in a sandbox. The scripted model stands for yours: openai('...'), anthropic('...').

import { generateText, stepCountIs } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { createTools } from '../../client/adapters/ai/index.ts';
import { Cloister } from '../../client/index.ts';

const cloister = await Cloister.connect({
  url: process.env['CLOISTER_URL'] ?? 'ws://127.0.0.1:7070',
  token: process.env['CLOISTER_TOKEN'] ?? '',
});
const sandbox = await cloister.open({ session: 'ai-sdk', workspace: { retain: 'delete' } });

const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } };
const model = new MockLanguageModelV3({
  doGenerate: [
    {
      content: [{ type: 'tool-call', toolCallId: '1', toolName: 'bash', input: '{"command":"uname -s; exit 3"}' }],
      finishReason: { unified: 'tool-calls', raw: undefined },
      usage,
      warnings: [],
    },
    { content: [{ type: 'text', text: 'It is Linux.' }], finishReason: { unified: 'stop', raw: undefined }, usage, warnings: [] },
  ],
});

const { text, steps } = await generateText({
  model,
  tools: createTools(sandbox, { timeoutMs: 60_000 }),
  stopWhen: stepCountIs(20),
  prompt: 'Which system is this?',
});
for (const { toolResults } of steps) for (const { toolName, output } of toolResults) console.log(toolName, output); // stdout, stderr, exitCode 3
console.log(text);

await sandbox.close();
await cloister.close();
