// The loop of the AI SDK with a scripted model; answers what the model was told of each call.

import { generateText, stepCountIs, type ToolSet } from 'ai';
import { asText, type Call } from './script.ts';
import { scriptedModel } from './scripted-model.ts';

export async function runAiSdk(tools: ToolSet, calls: readonly Call[]): Promise<string[]> {
  const { steps } = await generateText({ model: scriptedModel(calls), tools, prompt: 'go', stopWhen: stepCountIs(calls.length + 1) });
  return steps.flatMap(({ content }) =>
    content.flatMap((part) =>
      part.type === 'tool-result' ? [asText(part.output)] : part.type === 'tool-error' ? [`error: ${String(part.error)}`] : [],
    ),
  );
}
