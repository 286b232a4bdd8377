// The FILE frames of images/init/protocol.h as a test writes and reads them, byte by byte and on purpose
// apart from daemon/link, so that neither half is checked against itself.

export const Op = {
  read: 1,
  write: 2,
  list: 3,
  stat: 4,
  mkdir: 5,
  remove: 6,
  move: 7,
  copy: 8,
  chmod: 9,
  readlink: 10,
  symlink: 11,
  hash: 12,
  grep: 13,
  watch: 14,
} as const;
export const Flag = { parents: 1, append: 2, exclusive: 4, recursive: 8, noFollow: 16, ignore: 32, onlyFiles: 64, keep: 64 } as const;
export const Up = { end: 0x8c, data: 0x8d, credit: 0x8e } as const;
export const Down = { file: 0x0c, data: 0x0d, credit: 0x0e, cancel: 0x0f } as const;
export const WINDOW = 1024 * 1024;
export const CHUNK = 64 * 1024;

export interface FileRequest {
  readonly op: number;
  readonly path: string | Buffer;
  readonly flags?: number;
  readonly path2?: string | Buffer;
  readonly extra?: Buffer;
  readonly mode?: number;
  readonly depth?: number;
  readonly offset?: bigint;
  readonly length?: bigint;
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly body: Buffer;
}

export interface FileStat {
  readonly kind: string;
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly inode: bigint;
  readonly links: number;
  readonly uid: number;
}

export interface ListEntry extends FileStat {
  readonly path: string;
  readonly target: string;
}

export function encodeFrame(type: number, id: number, body: Buffer, flags = 0): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(body.length, 0);
  header.writeUInt8(type, 4);
  header.writeUInt8(flags, 5);
  header.writeUInt32LE(id, 8);
  return Buffer.concat([header, body]);
}

export function encodeRequest(request: FileRequest): Buffer {
  const path = Buffer.from(request.path);
  const path2 = Buffer.from(request.path2 ?? '');
  const extra = request.extra ?? Buffer.alloc(0);
  const head = Buffer.alloc(32);
  head.writeUInt8(request.op, 0);
  head.writeUInt8(request.flags ?? 0, 1);
  head.writeUInt16LE(path.length, 2);
  head.writeUInt16LE(path2.length, 4);
  head.writeUInt16LE(extra.length, 6);
  head.writeUInt32LE(request.mode ?? 0, 8);
  head.writeUInt32LE(request.depth ?? 0, 12);
  head.writeBigUInt64LE(request.offset ?? 0n, 16);
  head.writeBigUInt64LE(request.length ?? 0n, 24);
  return Buffer.concat([head, path, path2, extra]);
}

export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** Takes the whole frames off the front of `bytes`. */
export function decodeFrames(bytes: Buffer): { readonly frames: Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= 12) {
    const length = bytes.readUInt32LE(at);
    if (bytes.length - at - 12 < length) break;
    const body = bytes.subarray(at + 12, at + 12 + length);
    frames.push({ type: bytes.readUInt8(at + 4), flags: bytes.readUInt8(at + 5), id: bytes.readUInt32LE(at + 8), body });
    at += 12 + length;
  }
  return { frames, rest: bytes.subarray(at) };
}

export function decodeStat(bytes: Buffer): FileStat {
  return {
    kind: String.fromCharCode(bytes.readUInt8(0)),
    mode: bytes.readUInt32LE(4),
    size: Number(bytes.readBigUInt64LE(8)),
    mtimeNs: bytes.readBigInt64LE(16),
    inode: bytes.readBigUInt64LE(24),
    links: bytes.readUInt32LE(32),
    uid: bytes.readUInt32LE(36),
  };
}

export function decodeEntries(bytes: Buffer): ListEntry[] {
  const entries: ListEntry[] = [];
  let at = 0;
  while (at < bytes.length) {
    const pathEnd = at + 44 + bytes.readUInt16LE(at + 40);
    const end = pathEnd + bytes.readUInt16LE(at + 42);
    const path = bytes.toString('latin1', at + 44, pathEnd);
    entries.push({ ...decodeStat(bytes.subarray(at)), path, target: bytes.toString('latin1', pathEnd, end) });
    at = end;
  }
  return entries;
}
