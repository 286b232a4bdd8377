// The middle of the same-hops reference: a process that passes each WebSocket message on to the spawner and answers.
// As a program: the socket of the spawner is its argument, the port it picked its only line of output.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { SpawnerClient } from './peers/spawner.ts';

const spawner = await SpawnerClient.connect(process.argv[2] ?? '');
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
await once(server, 'listening');
server.on('connection', (socket) => {
  socket.on('message', (message) => void spawner.run().then(() => socket.send(message, { binary: false })));
});
process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
