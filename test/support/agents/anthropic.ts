// The tool runner of the Anthropic SDK with a scripted API; answers what the model was told of each call.

import Anthropic from '@anthropic-ai/sdk';
import type { BetaRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool';
import { asText, type Call } from './script.ts';

export async function runAnthropic(tools: BetaRunnableTool[], calls: readonly Call[]): Promise<string[]> {
  let step = 0;
  const answer = (): Response => {
    const call = calls[step];
    step += 1;
    const content =
      call === undefined ? { type: 'text', text: 'done' } : { type: 'tool_use', id: `toolu_${step}`, name: call[0], input: call[1] };
    const message = { id: `msg_${step}`, type: 'message', role: 'assistant', model: 'scripted', content: [content], stop_sequence: null };
    const stop = { stop_reason: call === undefined ? 'end_turn' : 'tool_use', usage: { input_tokens: 1, output_tokens: 1 } };
    return Response.json({ ...message, ...stop });
  };
  const client = new Anthropic({ apiKey: 'none', fetch: () => Promise.resolve(answer()) });
  const runner = client.beta.messages.toolRunner({
    model: 'scripted',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'go' }],
    tools,
  });
  await runner.runUntilDone();
  return runner.params.messages.flatMap(({ content }) =>
    typeof content === 'string' || content === undefined
      ? []
      : content.flatMap((block) =>
          block.type === 'tool_result' ? [`${block.is_error === true ? 'error: ' : ''}${asText(block.content)}`] : [],
        ),
  );
}
