// The official MCP client against a daemon, over HTTP or stdio, and the few words that tests say with it.

import { Client, StreamableHTTPClientTransport, type CallToolResult } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../../daemon/main.ts');

type Decision = 'allow-once' | 'allow-session' | 'deny';

export interface McpClientOptions {
  /** Answers questions; without it the client does not say that it can be asked. */
  readonly decide?: ((message: string) => Decision | 'decline') | undefined;
  /** Told when the server asks for roots. */
  readonly onRoots?: (() => void) | undefined;
}

export interface McpOverHttp extends McpClientOptions {
  /** http://HOST:PORT */
  readonly http: string;
  readonly token: string;
  /** Of the address, with the question mark. */
  readonly query?: string | undefined;
}

export interface Mcp extends AsyncDisposable {
  readonly client: Client;
  readonly transport: StreamableHTTPClientTransport | StdioClientTransport;
  call(name: string, args: Record<string, unknown>, options?: Parameters<Client['callTool']>[1]): Promise<Called>;
}

export interface Called {
  readonly text: string;
  readonly isError: boolean;
  readonly structured: Record<string, unknown>;
  readonly content: CallToolResult['content'];
}

export const mcpOverHttp = ({ http, token, query = '', ...options }: McpOverHttp): Promise<Mcp> =>
  connected(
    options,
    new StreamableHTTPClientTransport(new URL(`${http}/mcp${query}`), { requestInit: { headers: { authorization: `Bearer ${token}` } } }),
  );

export const mcpOverStdio = (url: string, token: string, args: readonly string[], options: McpClientOptions = {}): Promise<Mcp> =>
  connected(
    options,
    new StdioClientTransport({
      command: process.execPath,
      args: ['--import', 'tsx', MAIN, 'mcp', ...args],
      env: { PATH: process.env['PATH'] ?? '', CLOISTER_URL: url, CLOISTER_TOKEN: token },
      stderr: 'inherit',
    }),
  );

async function connected({ decide, onRoots }: McpClientOptions, transport: Mcp['transport']): Promise<Mcp> {
  const client = new Client(
    { name: 'test', version: '0' },
    { capabilities: { ...(decide === undefined ? {} : { elicitation: {} }), ...(onRoots === undefined ? {} : { roots: {} }) } },
  );
  if (decide !== undefined)
    client.setRequestHandler('elicitation/create', (request) => {
      const decision = decide(request.params.message);
      return decision === 'decline' ? { action: 'decline' } : { action: 'accept', content: { decision } };
    });
  if (onRoots !== undefined)
    client.setRequestHandler('roots/list', () => {
      onRoots();
      return { roots: [{ uri: 'file:///etc' }] };
    });
  await client.connect(transport);
  return {
    client,
    transport,
    call: async (name, args, callOptions) => {
      const result = await client.callTool({ name, arguments: args }, callOptions);
      const [first] = result.content;
      return {
        text: first?.type === 'text' ? first.text : '',
        isError: result.isError === true,
        structured: (result.structuredContent ?? {}) as Record<string, unknown>,
        content: result.content,
      };
    },
    async [Symbol.asyncDispose]() {
      if (transport instanceof StreamableHTTPClientTransport) await transport.terminateSession().catch(() => undefined);
      await client.close();
    },
  };
}
