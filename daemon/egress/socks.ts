// SOCKS5 on the same port: CONNECT only, host names resolved here. Owns the handshake; the judge and the tunnel are shared.

import type { Socket } from 'node:net';
import { hostText, parseAddress, parseHost } from '../policy/host-name.ts';
import type { Target } from './authority.ts';
import { readUntil } from './read-until.ts';
import type { SandboxPort } from './sandbox-port.ts';
import { tunnel } from './tunnel.ts';
import type { Verdict } from './verdict.ts';

const VERSION = 5;
const TIMEOUT_MS = 10_000;
const METHOD = { none: 0, password: 2, unacceptable: 0xff } as const;
const REPLY = { granted: 0, failed: 1, forbidden: 2, unreachable: 4, badCommand: 7 } as const;

interface Wanted {
  readonly command: number;
  readonly target: Target | null;
  readonly text: string;
}

export const isSocksGreeting = (bytes: Buffer): boolean => bytes[0] === VERSION;

export async function serveSocks(socket: Socket, port: SandboxPort): Promise<void> {
  const methods = await readUntil(socket, counted(2, 1), TIMEOUT_MS);
  if (methods === null || methods === 'timeout') return void socket.destroy();
  const offered = methods.subarray(2);
  const method = offered.includes(METHOD.password) ? METHOD.password : offered.includes(METHOD.none) ? METHOD.none : METHOD.unacceptable;
  socket.write(Buffer.from([VERSION, method]));
  if (method === METHOD.unacceptable) return void socket.end();
  const user = method === METHOD.password ? await readUser(socket) : '';
  if (user === null) return void socket.destroy();
  const wanted = await readUntil(socket, readRequest, TIMEOUT_MS);
  if (wanted === null || wanted === 'timeout' || wanted === 'malformed') return void socket.destroy();
  const reply = (code: number): void => void socket.write(Buffer.from([VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]));
  if (wanted.command !== 1) {
    reply(REPLY.badCommand);
    return void socket.end();
  }
  if (!port.takeToken()) {
    reply(REPLY.failed);
    return void socket.end();
  }
  const execId = /^[A-Za-z0-9_-]{1,64}$/.test(user) ? user : null;
  await tunnel(socket, port, {
    attempt: port.attempt({ target: wanted.target, text: wanted.text, method: 'SOCKS', path: null, execId, client: socket }),
    accept: () => reply(REPLY.granted),
    refuse: (_status: number, verdict: Verdict) => {
      reply(verdict.verdict === 'allow' ? REPLY.unreachable : REPLY.forbidden);
    },
  });
  socket.end();
}

/** A block whose length is in its byte at `at - 1`, and which starts after `at` bytes. */
const counted = (start: number, lengthAt: number) => (bytes: Buffer) => {
  const length = bytes[lengthAt];
  if (length === undefined || bytes.length < start + length) return null;
  return { value: bytes.subarray(0, start + length), used: start + length };
};

/** The user name names the command; any password will do, as the socket already says whose sandbox it is. */
async function readUser(socket: Socket): Promise<string | null> {
  const request = await readUntil(
    socket,
    (bytes) => {
      const userEnd = 2 + (bytes[1] ?? Number.POSITIVE_INFINITY);
      const end = userEnd + 1 + (bytes[userEnd] ?? Number.POSITIVE_INFINITY);
      return bytes.length < end ? null : { value: bytes.toString('latin1', 2, userEnd), used: end };
    },
    TIMEOUT_MS,
  );
  if (request === null) return null;
  socket.write(Buffer.from([1, 0]));
  return request;
}

function readRequest(bytes: Buffer): { readonly value: Wanted | 'malformed'; readonly used: number } | null {
  const malformed = { value: 'malformed' as const, used: bytes.length };
  if (bytes.length < 5) return null;
  const type = bytes[3];
  const start = type === 3 ? 5 : 4;
  const length = type === 1 ? 4 : type === 4 ? 16 : type === 3 ? (bytes[4] ?? 0) : -1;
  if (bytes[0] !== VERSION || bytes[2] !== 0 || length < 0) return malformed;
  const end = start + length + 2;
  if (bytes.length < end) return null;
  const raw = bytes.subarray(start, start + length);
  const port = bytes.readUInt16BE(end - 2);
  const text = type === 3 ? raw.toString('latin1') : addressText(raw);
  // A name that is an address in disguise is an address; brackets are the wire form of nothing here.
  const host = type === 3 ? (parseAddress(text) ?? (text.startsWith('[') ? null : parseHost(text))) : parseAddress(text);
  const target: Target | null = host === null || port === 0 ? null : { via: 'tunnel', host, port };
  return { value: { command: bytes[1] ?? 0, target, text: target === null ? text : hostText(target.host) }, used: end };
}

function addressText(raw: Buffer): string {
  if (raw.length === 4) return raw.join('.');
  return Array.from({ length: 8 }, (_, group) => raw.readUInt16BE(group * 2).toString(16)).join(':');
}
