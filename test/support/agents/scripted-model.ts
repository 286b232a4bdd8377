// A model of the AI SDK that follows a script and then says "done"; other frameworks take such models too.

import { simulateReadableStream } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import type { Call } from './script.ts';

const USAGE = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
};

/** A model of the AI SDK, also for frameworks that take those. */
export function scriptedModel(calls: readonly Call[]): MockLanguageModelV3 {
  let step = 0;
  const next = () => {
    const call = calls[step];
    step += 1;
    const finishReason = { unified: call === undefined ? ('stop' as const) : ('tool-calls' as const), raw: undefined };
    return { call, toolCallId: `call-${step}`, finishReason };
  };
  return new MockLanguageModelV3({
    doGenerate: async () => {
      const { call, toolCallId, finishReason } = next();
      const content =
        call === undefined
          ? { type: 'text' as const, text: 'done' }
          : { type: 'tool-call' as const, toolCallId, toolName: call[0], input: JSON.stringify(call[1]) };
      return { content: [content], finishReason, usage: USAGE, warnings: [] };
    },
    doStream: async () => {
      const { call, toolCallId, finishReason } = next();
      const parts =
        call === undefined
          ? [
              { type: 'text-start' as const, id: 't' },
              { type: 'text-delta' as const, id: 't', delta: 'done' },
              { type: 'text-end' as const, id: 't' },
            ]
          : [{ type: 'tool-call' as const, toolCallId, toolName: call[0], input: JSON.stringify(call[1]) }];
      const start = { type: 'stream-start' as const, warnings: [] };
      return { stream: simulateReadableStream({ chunks: [start, ...parts, { type: 'finish' as const, finishReason, usage: USAGE }] }) };
    },
  });
}
