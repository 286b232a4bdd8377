// One regular file as a tar archive, the form in which the Engine API takes files. Pure.

const BLOCK_BYTES = 512;

export function tarFile(name: string, content: Uint8Array, uid: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, width: number) => header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
  header.write(name, 0, 100, 'utf8');
  octal(0o644, 100, 8);
  octal(uid, 108, 8);
  octal(uid, 116, 8);
  octal(content.byteLength, 124, 12);
  octal(0, 136, 12);
  header.write('        0', 148, 'latin1');
  header.write('ustar\u000000', 257, 'latin1');
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  const padding = (BLOCK_BYTES - (content.byteLength % BLOCK_BYTES)) % BLOCK_BYTES;
  return Buffer.concat([header, content, Buffer.alloc(padding + 2 * BLOCK_BYTES)]);
}
