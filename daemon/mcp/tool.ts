// One MCP tool: its schemas, its hints, and how what it does becomes a result that models and programs can read.

import type { CallToolResult, McpServer, ServerContext } from '@modelcontextprotocol/server';
import type { z } from 'zod';
import { ClientError, type Sandbox, SandboxError } from '../../client/index.ts';
import type { Clock } from '../observe/clock.ts';
import type { CallInFlight, Calls } from './calls.ts';
import type { SessionSandbox } from './session-sandbox.ts';

/** What tools of one MCP session share. */
export interface ToolHost {
  readonly sandbox: SessionSandbox;
  readonly calls: Calls;
  readonly clock: Clock;
  /** A failure that is nobody's fault but ours. */
  readonly onFailure: (tool: string, error: unknown) => void;
}

export interface Call {
  readonly sandbox: Sandbox;
  readonly context: ServerContext;
  /** Aborts when the MCP client cancels the call. */
  readonly signal: AbortSignal;
  readonly entry: CallInFlight;
}

export interface ToolAnswer<Output> {
  /** For a model. */
  readonly text: string;
  readonly structured: Output;
  /** It did not do what it was called for. */
  readonly isError?: boolean;
  readonly more?: CallToolResult['content'];
}

export interface Tool<Input extends z.ZodObject, Output extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Input;
  readonly output: Output;
  readonly hints: {
    readonly readOnlyHint: boolean;
    readonly destructiveHint: boolean;
    readonly idempotentHint: boolean;
    readonly openWorldHint: boolean;
  };
  readonly run: (args: z.output<Input>, call: Call) => Promise<ToolAnswer<z.output<Output>>>;
}

/** Looks and changes nothing. */
export const LOOKS = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };

export function addTool<Input extends z.ZodObject, Output extends z.ZodObject>(
  server: McpServer,
  host: ToolHost,
  { name, title, description, input, output, hints, run }: Tool<Input, Output>,
): void {
  const call = async (args: z.output<Input>, context: ServerContext): Promise<CallToolResult> => {
    try {
      const answer = await host.calls.run(context, (entry) =>
        host.sandbox.use((sandbox) => run(args, { sandbox, context, signal: context.mcpReq.signal, entry })),
      );
      const { text, structured, isError, more } = answer;
      return {
        content: [{ type: 'text', text }, ...(more ?? [])],
        structuredContent: structured,
        ...(isError === true ? { isError } : {}),
      };
    } catch (error) {
      if (!SandboxError.is(error) && !ClientError.is(error)) host.onFailure(name, error);
      return failure(error);
    }
  };
  const schemas: { readonly inputSchema: z.ZodObject; readonly outputSchema: z.ZodObject } = { inputSchema: input, outputSchema: output };
  server.registerTool(name, { title, description, ...schemas, annotations: { title, ...hints } }, (args, context) =>
    // Safe because: the SDK has parsed the arguments with this very schema.
    call(args as z.output<Input>, context),
  );
}

/** The error a model can act on: what failed, why, and what to do. */
function failure(error: unknown): CallToolResult {
  const known = SandboxError.is(error) || ClientError.is(error) ? error : null;
  const [code, message, hint] =
    known === null ? ['INTERNAL', 'Cannot do this: an internal failure', 'Look at the log.'] : [known.code, known.message, known.hint];
  return {
    content: [{ type: 'text', text: `${code}: ${message}\nhint: ${hint}` }],
    structuredContent: { error: { code, message, hint } },
    isError: true,
  };
}

/** The first items that fit into so many bytes of JSON. */
export function fitting<T>(items: readonly T[], maxBytes: number): readonly T[] {
  let bytes = 0;
  const end = items.findIndex((item) => (bytes += Buffer.byteLength(JSON.stringify(item)) + 1) > maxBytes);
  return end < 0 ? items : items.slice(0, end);
}
