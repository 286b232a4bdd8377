// The server name of a TLS ClientHello, across records and segments. Pure and total over hostile bytes.

export const MAX_HELLO_BYTES = 16 * 1024;

export type HelloReading =
  | { readonly kind: 'more' }
  | { readonly kind: 'notTls' }
  /** null: the client names no server. */
  | { readonly kind: 'hello'; readonly serverName: string | null };

const RECORD = { handshake: 22, headerBytes: 5, maxBytes: 16_384 } as const;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;

/** `bytes` is everything received so far. */
export function readClientHello(bytes: Buffer): HelloReading {
  const message = joinRecords(bytes);
  if (message === null) return { kind: 'notTls' };
  if (message.length > 0 && message[0] !== CLIENT_HELLO) return { kind: 'notTls' };
  if (message.length < 4) return bytes.length >= MAX_HELLO_BYTES ? { kind: 'notTls' } : { kind: 'more' };
  const length = message.readUIntBE(1, 3);
  if (length > MAX_HELLO_BYTES) return { kind: 'notTls' };
  if (message.length < 4 + length) return bytes.length >= MAX_HELLO_BYTES ? { kind: 'notTls' } : { kind: 'more' };
  const serverName = serverNameOf(message.subarray(4, 4 + length));
  return serverName === undefined ? { kind: 'notTls' } : { kind: 'hello', serverName };
}

/** The handshake bytes of the records there are; null: these are no handshake records. */
function joinRecords(bytes: Buffer): Buffer | null {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] !== RECORD.handshake || (at + 1 < bytes.length && bytes[at + 1] !== 3))
      return parts.length > 0 && isComplete(parts) ? Buffer.concat(parts) : null;
    if (at + RECORD.headerBytes > bytes.length) break;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > RECORD.maxBytes) return null;
    parts.push(bytes.subarray(at + RECORD.headerBytes, at + RECORD.headerBytes + length));
    at += RECORD.headerBytes + length;
  }
  return Buffer.concat(parts);
}

/** What follows a whole ClientHello may be anything (early data). */
function isComplete(parts: readonly Buffer[]): boolean {
  const message = Buffer.concat(parts);
  return message.length >= 4 && message.length >= 4 + message.readUIntBE(1, 3);
}

/** undefined: malformed, or more names than one. */
function serverNameOf(hello: Buffer): string | null | undefined {
  const reader = new Reader(hello);
  reader.skip(2 + 32);
  reader.vector(1);
  reader.vector(2);
  reader.vector(1);
  if (reader.isBroken) return undefined;
  if (reader.left === 0) return null;
  const extensions = new Reader(reader.vector(2));
  if (reader.isBroken || reader.left !== 0) return undefined;
  let found: string | null = null;
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (extensions.isBroken) return undefined;
    if (type !== SERVER_NAME) continue;
    const name = hostNameOf(body);
    if (name === undefined || found !== null) return undefined;
    found = name;
  }
  return found;
}

function hostNameOf(extension: Buffer): string | undefined {
  const outer = new Reader(extension);
  const list = new Reader(outer.vector(2));
  const type = list.number(1);
  const name = list.vector(2);
  if (outer.isBroken || outer.left !== 0 || list.isBroken || list.left !== 0 || type !== HOST_NAME || name.length === 0) return undefined;
  return name.toString('latin1');
}

class Reader {
  isBroken = false;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  skip(bytes: number): Buffer {
    if (bytes > this.left) {
      this.isBroken = true;
      this.#at = this.#bytes.length;
      return Buffer.alloc(0);
    }
    this.#at += bytes;
    return this.#bytes.subarray(this.#at - bytes, this.#at);
  }

  number(bytes: 1 | 2): number {
    const read = this.skip(bytes);
    return read.length === 0 ? 0 : read.readUIntBE(0, bytes);
  }

  /** Bytes preceded by their count. */
  vector(countBytes: 1 | 2): Buffer {
    return this.skip(this.number(countBytes));
  }
}
