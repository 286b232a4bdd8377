// The bytes of a tar archive around the content of its files: ustar, with a pax record where a name or size does not fit. Pure.
// Content is written by whoever reads it, straight into the stream; reading archives is tar-stream's.

const BLOCK_BYTES = 512;
const MAX_FIELD_BYTES = 100;
const MAX_OCTAL_SIZE = 0o77777777777;
const TYPES = { file: '0', symlink: '2', directory: '5', pax: 'x' } as const;

export interface TarEntry {
  readonly type: 'file' | 'symlink' | 'directory';
  readonly name: string;
  /** Permission bits. */
  readonly mode: number;
  /** Bytes of content; 0 but for files. */
  readonly size: number;
  readonly modifiedAtMs: number;
  /** Of a symlink. */
  readonly target?: string | undefined;
}

/** What ends an archive. */
export const TAR_END: Uint8Array = Buffer.alloc(2 * BLOCK_BYTES);

/** What comes before the content of an entry. */
export function tarHeader(entry: TarEntry): Buffer {
  const { name, target = '', size } = entry;
  const records = [
    ...(fits(name) ? [] : [record('path', name)]),
    ...(fits(target) ? [] : [record('linkpath', target)]),
    ...(size <= MAX_OCTAL_SIZE ? [] : [record('size', String(size))]),
  ];
  if (records.length === 0) return block(entry, TYPES[entry.type]);
  const text = Buffer.concat(records);
  const pax = block({ ...entry, name: 'PaxHeader', target: '', mode: 0o644, size: text.length }, TYPES.pax);
  return Buffer.concat([pax, text, tarPadding(text.length), block(entry, TYPES[entry.type])]);
}

/** What comes after that many bytes of content. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

function block({ name, mode, size, modifiedAtMs, target = '' }: TarEntry, type: string): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, length: number): void => {
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, length, 'latin1');
  };
  header.set(Buffer.from(name).subarray(0, MAX_FIELD_BYTES), 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(Math.min(size, MAX_OCTAL_SIZE), 124, 12);
  octal(Math.max(0, Math.min(Math.floor(modifiedAtMs / 1000), MAX_OCTAL_SIZE)), 136, 12);
  header.fill(' ', 148, 156);
  header.write(type, 156, 'latin1');
  header.set(Buffer.from(target).subarray(0, MAX_FIELD_BYTES), 157);
  header.write('ustar\x0000', 257, 'latin1');
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return header;
}

function fits(text: string): boolean {
  return Buffer.byteLength(text) <= MAX_FIELD_BYTES && /^[\x20-\x7e]*$/.test(text);
}

/** `LENGTH key=value\n`, where the length counts itself. */
function record(key: string, value: string): Buffer {
  const bare = Buffer.byteLength(` ${key}=${value}\n`);
  let length = bare + String(bare).length;
  if (String(length).length > String(bare).length) length = bare + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`);
}
