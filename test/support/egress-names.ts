// A name server on loopback with a zone of the test's own; it counts what is asked.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** Addresses of a name, in order; `{ code }` answers with that DNS code, `silent` not at all, `alias` with a CNAME. */
export type ZoneEntry = readonly string[] | { readonly code: number } | { readonly alias: string } | 'silent';
export type Zone = Readonly<Record<string, ZoneEntry>>;

export interface TestNames extends AsyncDisposable {
  /** ADDRESS:PORT, for `egress.resolver`. */
  readonly address: string;
  /** Names asked for, with their type, in order. */
  readonly asked: string[];
}

const TYPES: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA' };

export async function startTestNames(zone: Zone | ((name: string, type: string) => ZoneEntry | undefined)): Promise<TestNames> {
  const find = typeof zone === 'function' ? zone : (name: string) => zone[name];
  const socket: Socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (question, peer) => {
    const { name, end } = readName(question);
    const type = TYPES[question.readUInt16BE(end)] ?? '?';
    asked.push(`${name} ${type}`);
    const entry = find(name, type) ?? { code: 3 };
    if (entry === 'silent') return;
    socket.send(answer(question.subarray(0, end + 4), question.readUInt16BE(end), entry), peer.port, peer.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

function readName(question: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
    labels.push(question.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

function answer(question: Buffer, type: number, entry: Exclude<ZoneEntry, 'silent'>): Buffer {
  const records: Buffer[] = [];
  if (Array.isArray(entry))
    for (const address of entry as string[]) if (address.includes(':') === (type === 28)) records.push(record(type, addressBytes(address)));
  if ('alias' in entry) records.push(record(5, nameBytes(entry.alias)));
  const reply = Buffer.concat([question, ...records]);
  reply.writeUInt16BE(0x8180 | ('code' in entry ? entry.code : 0), 2);
  reply.writeUInt16BE(records.length, 6);
  return reply;
}

/** Owned by the name of the question. */
function record(type: number, data: Buffer): Buffer {
  const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]);
  return Buffer.concat([head, data]);
}

const nameBytes = (name: string): Buffer =>
  Buffer.concat([...name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])), Buffer.from([0])]);

function addressBytes(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [left = '', right = ''] = address.split('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const middle = Array.from({ length: 8 - groups(left).length - groups(right).length }, () => 0);
  return Buffer.from([...groups(left), ...middle, ...groups(right)].flatMap((group) => [group >> 8, group & 0xff]));
}
