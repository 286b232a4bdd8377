// The middle of the same-hops reference: a process that passes each WebSocket message on to the spawner and answers.
// As a program: its arguments are the socket of the spawner and its own; a line of output says that it listens.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { SpawnerClient } from './peers/spawner.ts';

const spawner = await SpawnerClient.connect(process.argv[2] ?? '');
const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
http.listen(process.argv[3] ?? '');
await once(http, 'listening');
server.on('connection', (socket) => {
  socket.on('message', (message) => void spawner.run().then(() => socket.send(message, { binary: false })));
});
process.stdout.write('listening\n');
