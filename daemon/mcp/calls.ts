// Tool calls under way in one MCP session: how many there may be, and through which of them a person is asked.

import type { ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { escapeText } from '../../client/cli/escape-text.ts';
import { type ConfirmRequest, SandboxError } from '../../client/index.ts';
import type { Clock } from '../observe/clock.ts';
import type { OnConfirm } from './session-sandbox.ts';

const MAX_CALLS = 64;
const MAX_MESSAGE = 4000;

const Decision = z.enum(['allow-once', 'allow-session', 'deny']);

export interface CallInFlight {
  readonly context: ServerContext;
  /** Of the command it runs, once there is one. */
  execId: string | undefined;
}

export class Calls {
  readonly #clock: Clock;
  readonly #inFlight = new Set<CallInFlight>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#inFlight.size;
  }

  async run<T>(context: ServerContext, work: (call: CallInFlight) => Promise<T>): Promise<T> {
    if (this.#inFlight.size >= MAX_CALLS)
      throw new SandboxError('QUOTA_EXCEEDED', `Cannot take this call: ${MAX_CALLS} are under way in this MCP session`);
    const call: CallInFlight = { context, execId: undefined };
    this.#inFlight.add(call);
    try {
      return await work(call);
    } finally {
      this.#inFlight.delete(call);
    }
  }

  /** Asks the person behind the MCP client. Anything but a clear yes is a no. */
  readonly ask: OnConfirm = async (request) => {
    const call = this.#callOf(request);
    if (call === undefined) return 'deny';
    const { context } = call;
    // oxlint-disable-next-line typescript/no-deprecated -- what takes its place needs the protocol of 2026, which is not served here
    const answer = await context.mcpReq.elicitInput(
      {
        mode: 'form',
        message: question(request),
        requestedSchema: {
          type: 'object',
          properties: {
            decision: {
              type: 'string',
              title: 'Decision',
              description: 'allow-once: this time; allow-session: the same again without asking; deny: not at all',
              enum: [...Decision.options],
              default: 'deny',
            },
          },
          required: ['decision'],
        },
      },
      { timeout: Math.max(1, Date.parse(request.expiresAt) - this.#clock.now()), signal: context.mcpReq.signal },
    );
    if (answer.action !== 'accept') return 'deny';
    return Decision.catch('deny').parse(answer.content?.['decision']);
  };

  /** The one that runs the command; of a question about no command the newest. */
  #callOf({ execId }: ConfirmRequest): CallInFlight | undefined {
    const calls = [...this.#inFlight];
    return calls.find((call) => execId !== undefined && call.execId === execId) ?? calls.at(-1);
  }
}

/** What is asked was written by whoever wrote the command: nothing in it may pass for the question's own words. */
function question({ session, summary, tool, rule, reason }: ConfirmRequest): string {
  const shown = escapeText(summary);
  return [
    `Sandbox session ${session} asks for permission to use ${escapeText(tool)}:`,
    shown.length > MAX_MESSAGE ? `${shown.slice(0, MAX_MESSAGE)}... (${shown.length} characters)` : shown,
    `Rule ${escapeText(rule)}: ${escapeText(reason)}`,
  ].join('\n');
}
