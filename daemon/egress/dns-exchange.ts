// One question to one name server: a datagram on a port of its own, and TCP when the answer does not fit. Owns the sockets.

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { type AddressType, decodeReply, type DnsReply, encodeQuestion } from './dns-message.ts';

export interface NameServer {
  /** An address, never a name. */
  readonly address: string;
  readonly port: number;
}

export interface ExchangeOptions {
  readonly server: NameServer;
  readonly name: string;
  readonly type: AddressType;
  readonly timeoutMs: number;
}

const MAX_TCP_BYTES = 65_535;
type Reply = Exclude<DnsReply, { kind: 'foreign' | 'truncated' }>;

const failed = (cause: string): Reply => ({ kind: 'failed', cause });

/** Never rejects. */
export async function exchange(options: ExchangeOptions): Promise<Reply> {
  const reply = await overUdp(options);
  return reply.kind === 'truncated' ? overTcp(options) : reply;
}

function overUdp({ server, name, type, timeoutMs }: ExchangeOptions): Promise<Exclude<DnsReply, { kind: 'foreign' }>> {
  return new Promise((resolve) => {
    const id = randomInt(0x1_0000);
    const socket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4');
    let isOver = false;
    const end = (reply: Exclude<DnsReply, { kind: 'foreign' }>) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(() => end(failed('the name server does not answer in time')), timeoutMs);
    socket.on('error', (error) => end(failed(`the name server cannot be reached (${error.message})`)));
    socket.on('message', (bytes) => {
      const reply = decodeReply(bytes, { id, name, type });
      if (reply.kind !== 'foreign') end(reply);
    });
    // Connected: the kernel drops what comes from anyone else.
    socket.connect(server.port, server.address, () => {
      if (!isOver) socket.send(encodeQuestion(id, name, type));
    });
  });
}

function overTcp({ server, name, type, timeoutMs }: ExchangeOptions): Promise<Reply> {
  return new Promise((resolve) => {
    const id = randomInt(0x1_0000);
    const socket = connect({ host: server.address, port: server.port });
    let received = Buffer.alloc(0);
    const end = (reply: Reply) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    const timer = setTimeout(() => end(failed('the name server does not answer in time')), timeoutMs);
    socket.on('error', (error) => end(failed(`the name server cannot be reached (${error.message})`)));
    socket.on('close', () => end(failed('the name server ends the connection')));
    socket.on('connect', () => {
      const question = encodeQuestion(id, name, type);
      socket.write(Buffer.concat([Buffer.from([question.length >> 8, question.length & 0xff]), question]));
    });
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      const length = received.length < 2 ? MAX_TCP_BYTES : received.readUInt16BE(0);
      if (received.length < length + 2) return;
      const reply = decodeReply(received.subarray(2, 2 + length), { id, name, type });
      end(reply.kind === 'foreign' || reply.kind === 'truncated' ? failed('the name server answers malformed') : reply);
    });
  });
}
