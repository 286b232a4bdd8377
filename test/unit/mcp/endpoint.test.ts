// How long MCP sessions over HTTP last: by a fake clock, with a client of the daemon that is never needed.

import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Cloister } from '../../../client/index.ts';
import { McpEndpoint } from '../../../daemon/mcp/endpoint.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { principal, silentLog } from '../../support/fake-sandbox.ts';

const IDLE_MS = 60_000;
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '0' } },
};

let clock: FakeClock;
let endpoint: McpEndpoint;

beforeEach(() => {
  clock = new FakeClock();
  endpoint = new McpEndpoint({
    connect: async (): Promise<Cloister> => {
      throw new Error('no tool is called here');
    },
    maxSessions: 10,
    maxOfTenant: 10,
    idleMs: IDLE_MS,
    version: 'test',
    clock,
    log: silentLog,
  });
});

const request = (body: unknown, headers: Record<string, string> = {}): IncomingMessage =>
  Object.assign(Readable.from([Buffer.from(JSON.stringify(body))]), {
    method: 'POST',
    url: '/mcp',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
  }) as unknown as IncomingMessage;

async function begin(expiresAt = clock.now() + 3_600_000): Promise<{ id: string; list: () => Promise<number> }> {
  const who = principal({ expiresAt });
  const response = await endpoint.answer(request(INITIALIZE), 'token', who);
  expect(response.status).toBe(200);
  const id = response.headers.get('mcp-session-id') ?? '';
  const list = { jsonrpc: '2.0', id: 2, method: 'tools/list', params: {} };
  return { id, list: async () => (await endpoint.answer(request(list, { 'mcp-session-id': id }), 'token', who)).status };
}

describe('an MCP session', () => {
  test('ends when it was idle for long, and each request counts', async () => {
    const { list } = await begin();
    await clock.advance(IDLE_MS - 1);
    expect(await list()).toBe(200);
    await clock.advance(IDLE_MS - 1);
    expect(await list()).toBe(200);
    await clock.advance(IDLE_MS);
    expect(await list()).toBe(404);
    expect(endpoint.size).toBe(0);
  });

  test('ends with its token, idle or not', async () => {
    const { list } = await begin(clock.now() + IDLE_MS / 2);
    await clock.advance(IDLE_MS / 2 - 1);
    expect(await list()).toBe(200);
    await clock.advance(1);
    expect(await list()).toBe(404);
  });

  test('ends with the daemon', async () => {
    const { list } = await begin();
    await endpoint.close();
    expect(await list()).toBe(404);
  });
});
