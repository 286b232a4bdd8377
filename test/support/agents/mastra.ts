// The loop of a Mastra agent with a scripted model; answers what the model was told of each call.

import { Agent } from '@mastra/core/agent';
import type { Workspace } from '@mastra/core/workspace';
import { asText, type Call } from './script.ts';
import { scriptedModel } from './scripted-model.ts';

export async function runMastra(workspace: Workspace, calls: readonly Call[]): Promise<string[]> {
  const model = scriptedModel(calls);
  const agent = new Agent({ id: 'scripted', name: 'scripted', instructions: 'go', model, workspace });
  await agent.generate('go', { maxSteps: calls.length + 1 });
  // Errors are in no result of a step; the model's last prompt has all it was told.
  const prompt = [...model.doStreamCalls, ...model.doGenerateCalls].at(-1)?.prompt ?? [];
  return prompt.flatMap(({ role, content }) =>
    role === 'tool'
      ? content.flatMap((part) => (part.type === 'tool-result' && 'value' in part.output ? [asText(part.output.value)] : []))
      : [],
  );
}
