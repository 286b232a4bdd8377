// The egress process under a flood of requests, without a sandbox: as many as a busy agent makes in days.

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect, createServer as createSocketServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SandboxId } from '../../client/protocol/names.ts';
import { EgressProcess } from '../../daemon/egress/egress-process.ts';
import { EgressTrust } from '../../daemon/egress/egress-trust.ts';
import { DEFAULT_EGRESS_LIMITS } from '../../daemon/egress/messages.ts';
import { systemClock } from '../../daemon/observe/clock.ts';
import { createLog } from '../../daemon/observe/log.ts';
import type { GrantedEgress } from '../../daemon/policy/egress-policy.ts';

const ADDRESS = '127.81.10.1';
const PORT = 8080;
const ID = SandboxId.parse(`sb_${'a'.repeat(20)}`);
const CONNECTIONS = 16;
const REQUESTS = process.env['CI'] === 'true' ? 100_000 : 20_000;
const MEBIBYTE = 1024 * 1024;

let directory: string;
let origin: Server;
let egress: EgressProcess;
let socketPath: string;
let decided = 0;
let started = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cl-flood-'));
  origin = createServer((_, response) => response.end('ok')).listen(PORT, ADDRESS);
  await once(origin, 'listening');
  egress = new EgressProcess({
    configuration: {
      identity: { uid: 199_903, gid: 199_903 },
      servers: [],
      allowPrivate: [ADDRESS],
      blocklistExtra: [],
      limits: { ...DEFAULT_EGRESS_LIMITS, requestsPerSecond: 100_000 },
    },
    trust: new EgressTrust({ authorityPath: join(directory, 'authority.pem'), runDir: directory, extraPath: null, clock: systemClock }),
    clock: systemClock,
    log: createLog({ level: 'fatal', destination: process.stderr }),
  });
  const policy: GrantedEgress = { mode: 'allowlist', allow: [`${ADDRESS}:${PORT}`], deny: [], ask: [] };
  await egress.add(ID, { profileName: 'workspace-write', policy }, () => [], {
    started: () => {
      started += 1;
    },
    decided: () => {
      decided += 1;
    },
    asked: (_, answer) => answer('deny'),
  });
  socketPath = join(directory, 'egress.sock');
  const server = createSocketServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => egress.connection(ID, socket));
  server.listen(socketPath);
  await once(server, 'listening');
  server.unref();
});
afterAll(async () => {
  egress.stop();
  origin.closeAllConnections();
  origin.close();
  await rm(directory, { recursive: true, force: true });
});

const request = (path: string): string => `GET http://${ADDRESS}:${PORT}${path} HTTP/1.1\r\nHost: ${ADDRESS}:${PORT}\r\n\r\n`;

/** One after the other on one connection. */
async function flood(count: number): Promise<void> {
  const socket: Socket = connect(socketPath);
  await once(socket, 'connect');
  let left = count;
  socket.on('data', (bytes: Buffer) => {
    // An answer ends with its two bytes of body.
    if (!bytes.toString('latin1').endsWith('ok')) return;
    left -= 1;
    if (left === 0) socket.end();
    else socket.write(request(`/${left}`));
  });
  socket.write(request('/first'));
  await once(socket, 'close');
  expect(left).toBe(0);
}

test('its memory is the same after all of them, and it has told of each', async () => {
  const round = (count: number): Promise<void[]> => Promise.all(Array.from({ length: CONNECTIONS }, () => flood(count / CONNECTIONS)));
  await round(REQUESTS / 5);
  const warm = (await egress.status())?.rssBytes ?? 0;
  await round((REQUESTS / 5) * 4);
  const after = await egress.status();
  expect(after).toMatchObject({ connections: 0, attempts: 0, sandboxes: 1 });
  expect(((after?.rssBytes ?? Infinity) - warm) / MEBIBYTE).toBeLessThan(32);
  expect([started, decided]).toEqual([REQUESTS, REQUESTS]);
  expect(egress.counts()).toMatchObject({ decisions: { 'allow.allowed': REQUESTS }, restarts: 0 });
}, 240_000);
