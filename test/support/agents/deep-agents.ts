// The loop of a deep agent with LangChain's fake model; answers what the model was told of each call.

import { createDeepAgent, type SandboxBackendProtocolV2 } from 'deepagents';
import { AIMessage, fakeModel } from 'langchain';
import { asText, type Call } from './script.ts';

export async function runDeepAgent(backend: SandboxBackendProtocolV2, calls: readonly Call[]): Promise<string[]> {
  const model = fakeModel();
  for (const [index, [name, args]] of calls.entries()) model.respondWithTools([{ name, args, id: `call-${index}` }]);
  model.respond(new AIMessage('done'));
  const { messages } = await createDeepAgent({ model, backend }).invoke({ messages: [{ role: 'user', content: 'go' }] });
  return messages.flatMap((message) => (message.type === 'tool' ? [asText(message.content)] : []));
}
