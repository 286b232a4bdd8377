// TLS ClientHellos of a test's own making.

const u8 = (value: number): Buffer => Buffer.from([value]);
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const sized = (body: Buffer): Buffer => Buffer.concat([u16(body.length), body]);

export const serverNameExtension = (name: string): Buffer =>
  Buffer.concat([u16(0), sized(sized(Buffer.concat([u8(0), sized(Buffer.from(name, 'latin1'))])))]);

/** `padding` stands for what post-quantum key shares bring. */
export function clientHello(options: {
  readonly extensions: readonly Buffer[];
  readonly padding?: number;
  readonly recordBytes?: number;
}): Buffer {
  const padding = options.padding === undefined ? [] : [Buffer.concat([u16(0xfafa), sized(Buffer.alloc(options.padding))])];
  const body = Buffer.concat([
    u16(0x0303),
    Buffer.alloc(32, 7),
    u8(0),
    sized(u16(0x1301)),
    u8(1),
    u8(0),
    sized(Buffer.concat([...padding, ...options.extensions])),
  ]);
  const message = Buffer.concat([u8(1), u8(body.length >> 16), u16(body.length & 0xffff), body]);
  const records: Buffer[] = [];
  const step = options.recordBytes ?? message.length;
  for (let at = 0; at < message.length; at += step)
    records.push(Buffer.concat([u8(22), u16(0x0301), sized(message.subarray(at, at + step))]));
  return Buffer.concat(records);
}
