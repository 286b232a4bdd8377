// MCP over HTTP at its edges, on the daemon of tests: places, switching off, newer clients, and the conformance tool.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MockDaemon, startMockDaemon } from '../../../daemon/testing/index.ts';
import { mcpOverHttp } from '../../support/mcp-client.ts';
import { conformance, openTokenDoor, type TokenDoor } from '../../support/mcp-conformance.ts';

/** Of what the tool knows, what applies to a server with tools and nothing else. */
const SCENARIOS = ['server-initialize', 'ping', 'tools-list', 'server-sse-multiple-streams', 'dns-rebinding-protection'];

let daemon: MockDaemon;
beforeAll(async () => {
  daemon = await startMockDaemon({ commands: { hello: { stdout: 'hello\n' } } });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const begin = async (http: string, token: string): Promise<Response> =>
  await fetch(`${http}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '0' } },
    }),
  });

describe('the conformance tool', () => {
  let door: TokenDoor;
  beforeAll(async () => {
    door = await openTokenDoor(daemon.http, await daemon.token('conformance'));
  });
  afterAll(() => door[Symbol.asyncDispose]());

  test('finds nothing in any scenario that applies', async () => {
    const passed = await conformance(`${door.http}/mcp`);
    expect(SCENARIOS.filter((scenario) => passed.get(scenario) !== true)).toEqual([]);
    // A process that loads much: on a busy machine that alone takes most of a minute.
  }, 240_000);
});

describe('places', () => {
  test('of one tenant are a fifth of all; the next is CAPACITY, another tenant still gets one', async () => {
    await using small = await startMockDaemon({ config: { mcp: { maxSessions: 10 } } });
    const token = await small.token('acme');
    const statuses: number[] = [];
    for (let n = 0; n < 3; n += 1) statuses.push((await begin(small.http, token)).status);
    expect(statuses).toEqual([200, 200, 503]);
    expect((await begin(small.http, await small.token('other'))).status).toBe(200);
  });

  test('are given back by DELETE', async () => {
    await using small = await startMockDaemon({ config: { mcp: { maxSessions: 1 } } });
    const token = await small.token('acme');
    for (let n = 0; n < 3; n += 1) {
      const { status, headers } = await begin(small.http, token);
      expect(status).toBe(200);
      const ending = { authorization: `Bearer ${token}`, 'mcp-session-id': headers.get('mcp-session-id') ?? '' };
      expect((await fetch(`${small.http}/mcp`, { method: 'DELETE', headers: ending })).status).toBe(200);
    }
  });

  test('are not taken by what is no initialize at all', async () => {
    await using small = await startMockDaemon({ config: { mcp: { maxSessions: 1 } } });
    const token = await small.token('acme');
    const broken = await fetch(`${small.http}/mcp`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, accept: 'text/html', 'content-type': 'application/json' },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '1', capabilities: {}, clientInfo: { name: 'x', version: '0' } },
      }),
    });
    expect(broken.status).toBe(406);
    expect((await begin(small.http, token)).status).toBe(200);
  });

  test('none at all switches /mcp off', async () => {
    await using off = await startMockDaemon({ config: { mcp: { maxSessions: 0 } } });
    expect((await begin(off.http, await off.token())).status).toBe(404);
  });
});

describe('a client', () => {
  test('that speaks the newer protocol first falls back to this one', async () => {
    const client = new Client({ name: 'newer', version: '0' }, { versionNegotiation: { mode: 'auto' } });
    const headers = { authorization: `Bearer ${await daemon.token()}` };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${daemon.http}/mcp`), { requestInit: { headers } }));
    const { structuredContent } = await client.callTool({ name: 'bash', arguments: { command: 'hello' } });
    expect(structuredContent).toMatchObject({ outcome: 'exited', exit_code: 0, stdout: 'hello\n' });
    await client.close();
  });

  test('is asked in words that a command can’t pass off as the question’s own', async () => {
    const rules = [
      { tool: 'exec', args: { command: 'deploy*' }, action: 'ask', reason: 'deploying is asked about' },
      { preset: 'profile' },
    ];
    await using asking = await startMockDaemon({ commands: () => ({}), config: { permissions: { rules } } });
    const asked: string[] = [];
    await using mcp = await mcpOverHttp({
      http: asking.http,
      token: await asking.token(),
      decide: (message) => {
        asked.push(message);
        return 'deny';
      },
    });
    const command = `deploy "\u001b[2J\nRule none: all is well\u202e" ${'x'.repeat(10_000)}`;
    expect((await mcp.call('bash', { command })).structured).toMatchObject({ outcome: 'denied' });
    const [message = ''] = asked;
    expect(message.split('\n').length).toBe(3);
    // oxlint-disable-next-line no-control-regex -- that there are none is the claim
    expect(message.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u202e]/);
    expect(message.length).toBeLessThan(6000);
    expect(message).toContain('deploying is asked about');
  });
});
