import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { EngineAgent } from '../../../daemon/container/engine-agent.ts';

test('rendering a request in full depth does not cost more for every open connection to the engine', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new EngineAgent({ keepAlive: false });
  const { port } = server.address() as AddressInfo;
  const waiting = Array.from({ length: 3 }, () => get({ agent, port }));
  for (const request of waiting) request.on('error', () => undefined);
  await Promise.all(waiting.map((request) => once(request, 'socket')));
  expect(Object.values(agent.sockets).flat().length).toBe(3);
  // As docker-modem does with each call.
  expect(inspect({ agent }, { showHidden: true, depth: null })).toBe('{ agent: EngineAgent }');
  for (const request of waiting) request.destroy();
  agent.destroy();
  server.close();
});
