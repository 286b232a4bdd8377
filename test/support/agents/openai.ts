// The loop of the OpenAI Agents SDK with its scripted model; answers what the model was told of each call.

import { type Agent, type AgentOutputItem, run } from '@openai/agents';
import { assistantMessage, functionCall, ScriptedModel } from '@openai/agents-core/testing';
import type { SandboxRunConfig } from '@openai/agents/sandbox';
import { asText, type Call } from './script.ts';

export async function runOpenAi(
  // oxlint-disable-next-line typescript/no-explicit-any -- agents of any context and output
  agentOf: (model: ScriptedModel) => Agent<any, any>,
  calls: readonly Call[],
  sandbox?: SandboxRunConfig,
): Promise<string[]> {
  const steps = calls.map(([name, args], index) => [callOf(name, args, `call-${index}`)]);
  const model = new ScriptedModel([...steps, [assistantMessage('done')]]);
  const { newItems } = await run(agentOf(model), 'go', { maxTurns: calls.length + 1, ...(sandbox === undefined ? {} : { sandbox }) });
  model.assertComplete();
  return newItems.flatMap((item) => (item.type === 'tool_call_output_item' ? [asText(item.output)] : []));
}

/** A model calls the two built-in tools by items of their own. */
function callOf(name: string, args: Record<string, unknown>, callId: string): AgentOutputItem {
  if (name === 'apply_patch') return { type: 'apply_patch_call', callId, status: 'completed', operation: args } as AgentOutputItem;
  if (name === 'shell') return { type: 'shell_call', callId, status: 'completed', action: args } as AgentOutputItem;
  return functionCall(name, args, { callId });
}
