// The MCP server of one session: eleven tools over one sandbox. Knows no transport.

import { McpServer } from '@modelcontextprotocol/server';
import type { Cloister, OpenOptions } from '../../client/index.ts';
import type { Clock } from '../observe/clock.ts';
import { Calls } from './calls.ts';
import { addCommandTools } from './command-tools.ts';
import { addFileTools } from './file-tools.ts';
import { addSearchTools } from './search-tools.ts';
import { type OnConfirm, SessionSandbox } from './session-sandbox.ts';
import type { ToolHost } from './tool.ts';

const INSTRUCTIONS =
  'Commands and files of one sandbox. Its only directory of yours is /workspace; paths are relative to it, and the roots of this ' +
  'client play no part. Files last as long as the session, processes that run in the background too. What the policy of the sandbox ' +
  'denies is answered with the rule and a remedy: do what the remedy says instead of trying variants.';

export interface McpSessionOptions {
  readonly connect: (onConfirm: OnConfirm | undefined) => Promise<Cloister>;
  readonly open: OpenOptions;
  readonly atEnd: 'delete' | 'close' | 'leave';
  readonly version: string;
  readonly clock: Clock;
  readonly onFailure: (tool: string, error: unknown) => void;
}

export interface McpSession {
  readonly server: McpServer;
  readonly sandbox: SessionSandbox;
  readonly calls: Calls;
}

export function createMcpSession(options: McpSessionOptions): McpSession {
  const server = new McpServer({ name: 'cloister', title: 'Cloister sandbox', version: options.version }, { instructions: INSTRUCTIONS });
  const calls = new Calls(options.clock);
  const sandbox = new SessionSandbox({
    ...options,
    // A form is what every client with this capability can show unless it says otherwise.
    onConfirm: () => {
      // oxlint-disable-next-line typescript/no-deprecated -- of a session of the protocol of 2025 it is what initialize said
      const elicitation = server.server.getClientCapabilities()?.elicitation;
      const hasForm = elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined);
      return hasForm ? calls.ask : undefined;
    },
  });
  const host: ToolHost = { sandbox, calls, clock: options.clock, onFailure: options.onFailure };
  addCommandTools(server, host);
  addFileTools(server, host);
  addSearchTools(server, host);
  return { server, sandbox, calls };
}
