// A tenant's web server inside a sandbox, as it might be written, and as an attacker would write it.

import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import type { Sandbox } from '../../client/index.ts';

const WS_ROOT = dirname(createRequire(import.meta.url).resolve('ws/package.json'));

const SERVER = String.raw`
const http = require('node:http');
const net = require('node:net');
const crypto = require('node:crypto');
const { WebSocketServer } = require('./ws');
const pages = {
  '/headers': (request, response) => response.end(JSON.stringify({ raw: request.rawHeaders, url: request.url, method: request.method })),
  '/hostile': (request, response) => {
    response.setHeader('Set-Cookie', ['own=1; Path=/', 'parent=1; Domain=.localhost', 'cloister-preview=x; Path=/', '=cloister-preview=y', 'sibling=1; domain = 3000-aaaaaaaaaaaaaaaaaaaa.localhost']);
    for (const name of ['Service-Worker-Allowed', 'Clear-Site-Data', 'Strict-Transport-Security', 'Alt-Svc', 'NEL', 'X-Accel-Redirect', 'X-Harmless']) response.setHeader(name, '/');
    response.end('hostile');
  },
  '/upload': async (request, response) => {
    const hash = crypto.createHash('sha256');
    let bytes = 0;
    for await (const part of request) { bytes += part.length; hash.update(part); }
    response.end(JSON.stringify({ bytes, sha256: hash.digest('hex') }));
  },
  '/download': (request, response) => {
    let left = 1024;
    const block = Buffer.alloc(16384, 'x');
    const more = () => { while (left-- > 0) if (!response.write(block)) { response.once('drain', more); return; } response.end(); };
    more();
  },
  '/endless': (request, response) => {
    let sent = 0;
    const block = Buffer.alloc(65536, 'x');
    const more = () => { for (;;) { sent += block.length; pages.sent = sent; if (!response.write(block)) { response.once('drain', more); return; } } };
    request.on('close', () => { pages.closed = true; });
    more();
  },
  '/sent': (request, response) => response.end(JSON.stringify({ sent: pages.sent, closed: pages.closed === true })),
  '/events': (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.flushHeaders();
    request.on('close', () => response.destroy());
    pages.tick = () => response.write('data: tick\n\n');
  },
  '/tick': (request, response) => { pages.tick(); response.end('ok'); },
  '/refuse': (request, response) => response.writeHead(413).end('too large'),
  '/redirect': (request, response) => response.writeHead(302, { Location: '/headers' }).end(),
};
const server = http.createServer((request, response) => {
  const page = pages[request.url.split('?')[0]];
  if (page) void page(request, response);
  else response.writeHead(404).end('no such page');
});
const sockets = new WebSocketServer({ server, handleProtocols: () => 'echo' });
sockets.on('connection', (socket, request) => {
  socket.send(JSON.stringify(request.rawHeaders));
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.listen(3000, '127.0.0.1', () => {
  net.createServer((socket) => { socket.on('error', () => {}); socket.once('data', () => socket.end('this is no HTTP\r\n\r\n')); }).listen(3001, '127.0.0.1', () => {
    net.createServer((socket) => { socket.on('error', () => {}); socket.once('data', () => socket.write('HTTP/1.1 101 Surprise\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\n')); }).listen(3002, '127.0.0.1', () => {
      net.createServer((socket) => { socket.on('error', () => {}); }).listen(3003, '127.0.0.1', () => console.log('ready'));
    });
  });
});
`;

/** Ports 3000: HTTP and WebSocket; 3001: no HTTP; 3002: another protocol unasked; 3003: never answers. */
export async function startTenantServer(sandbox: Sandbox): Promise<void> {
  for (const file of ['package.json', 'index.js', ...(await readdir(join(WS_ROOT, 'lib'))).map((name) => `lib/${name}`)]) {
    await sandbox.files.write(`server/ws/${file}`, await readFile(join(WS_ROOT, file)));
  }
  await sandbox.files.write('server/server.js', SERVER);
  const server = sandbox.exec(['node', 'server/server.js'], { background: true });
  for await (const { text } of server) if (text.includes('ready')) return;
  throw new Error(`the server ended: ${(await server).stderr}`);
}
