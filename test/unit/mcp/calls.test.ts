// How many tool calls one MCP session may have under way, and which of them a question goes through.

import type { ServerContext } from '@modelcontextprotocol/server';
import { describe, expect, test } from 'vitest';
import type { ConfirmRequest } from '../../../client/index.ts';
import { Calls } from '../../../daemon/mcp/calls.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { codeOf } from '../../support/eventually.ts';

/** Of the SDK's context what asking needs. */
const contextThat = (answer: () => unknown): ServerContext =>
  ({ mcpReq: { signal: new AbortController().signal, elicitInput: async () => answer() } }) as unknown as ServerContext;

const request = (more: Partial<ConfirmRequest>): ConfirmRequest =>
  ({
    id: 'c',
    kind: 'tool',
    sandboxId: 's',
    session: 'one',
    tool: 'exec',
    summary: 'touch x',
    arguments: {},
    rule: 'rules[0]',
    reason: 'asked',
    expiresAt: new Date(Date.UTC(2026, 0, 2)).toISOString(),
    ...more,
  }) as ConfirmRequest;

test('one more call than there is room for is refused, and room comes back', async () => {
  const calls = new Calls(new FakeClock());
  const ends: (() => void)[] = [];
  const running = Array.from({ length: 64 }, () =>
    calls.run(
      contextThat(() => null),
      () => new Promise<void>((resolve) => ends.push(resolve)),
    ),
  );
  const one = () =>
    calls.run(
      contextThat(() => null),
      async () => 'done',
    );
  expect(await codeOf(one())).toBe('QUOTA_EXCEEDED');
  for (const end of ends) end();
  await Promise.all(running);
  expect(await one()).toBe('done');
  expect(calls.size).toBe(0);
});

describe('a question', () => {
  const ask = async (answers: readonly unknown[], execId?: string): Promise<unknown> => {
    const calls = new Calls(new FakeClock());
    const ends: (() => void)[] = [];
    const running = answers.map((answer, index) =>
      calls.run(
        contextThat(() => answer),
        async (call) => {
          call.execId = `e${index}`;
          await new Promise<void>((resolve) => ends.push(resolve));
        },
      ),
    );
    const decision = await calls.ask(request(execId === undefined ? {} : { execId: execId as ConfirmRequest['execId'] }));
    for (const end of ends) end();
    await Promise.all(running);
    return decision;
  };
  const accept = (decision: unknown) => ({ action: 'accept', content: { decision } });

  test.each([
    ['goes through the call that runs the command', 'allow-once', [accept('allow-once'), accept('deny')], 'e0'],
    ['about no command goes through the newest call', 'allow-session', [accept('deny'), accept('allow-session')], undefined],
    ['that is declined is a no', 'deny', [{ action: 'decline' }], 'e0'],
    ['that is answered with anything else is a no', 'deny', [accept('yes please')], 'e0'],
    ['that is accepted without a word is a no', 'deny', [{ action: 'accept' }], 'e0'],
    ['with no call to go through is a no', 'deny', [], undefined],
  ])('%s', async (_, expected, answers, execId) => {
    expect(await ask(answers, execId)).toBe(expected);
  });
});
