import { describe, expect, test } from 'vitest';
import { encodeFrame, DOWN, FLAG } from '../../../daemon/link/frames.ts';
import { FileExchange } from '../../../daemon/link/file-exchange.ts';

const ID = 7;
const opening = encodeFrame(DOWN.file, 0, ID, Buffer.from('request'));
const data = (bytes: Uint8Array, flags: number): Buffer => encodeFrame(DOWN.fileData, flags, ID, bytes);

const shown = (messages: readonly Buffer[]): string[] => messages.map((message) => message.toString('latin1'));

/** An exchange, and the messages that it made: each wakes init once. */
function begun(): { readonly exchange: FileExchange; readonly messages: Buffer[] } {
  const messages: Buffer[] = [];
  const sender = {
    send: (frame: Buffer) => void messages.push(frame),
    sendData: (type: number, flags: number, id: number, payload: Uint8Array) => void messages.push(encodeFrame(type, flags, id, payload)),
  };
  return { exchange: new FileExchange(ID, sender, opening, () => undefined), messages };
}

describe('a file request', () => {
  test('with the whole of a small file is one message', async () => {
    const { exchange, messages } = begun();
    const bytes = Buffer.alloc(4096, 1);
    await exchange.write(bytes, true);
    exchange.finish();
    exchange.begin();
    expect(shown(messages)).toEqual(shown([Buffer.concat([opening, data(bytes, FLAG.eof)])]));
  });

  test('of an empty file is one message', () => {
    const { exchange, messages } = begun();
    exchange.finish();
    exchange.begin();
    expect(shown(messages)).toEqual(shown([Buffer.concat([opening, data(new Uint8Array(0), FLAG.eof)])]));
  });

  test('whose bytes come later goes before them', async () => {
    const { exchange, messages } = begun();
    exchange.begin();
    await exchange.write(Buffer.from('late'));
    exchange.finish();
    expect(shown(messages)).toEqual(shown([opening, data(Buffer.from('late'), 0), data(new Uint8Array(0), FLAG.eof)]));
  });

  test('with many bytes goes first, and the last of them says so', async () => {
    const { exchange, messages } = begun();
    const bytes = Buffer.alloc(100_000, 1);
    await exchange.write(bytes, true);
    exchange.finish();
    expect(shown(messages)).toEqual(shown([opening, data(bytes.subarray(0, 65_536), 0), data(bytes.subarray(65_536), FLAG.eof)]));
  });

  test('that is cancelled at once goes before its cancelling, and nothing after', async () => {
    const { exchange, messages } = begun();
    exchange.cancel();
    expect(await exchange.write(Buffer.from('x'), true)).toBe(false);
    exchange.begin();
    expect(shown(messages)).toEqual(shown([opening, encodeFrame(DOWN.fileCancel, 0, ID)]));
  });

  test('that the lost connection took with it sends nothing more', async () => {
    const { exchange, messages } = begun();
    exchange.lost('gone');
    exchange.begin();
    exchange.finish();
    expect(shown(messages)).toEqual(shown([]));
    await expect(exchange.end).rejects.toMatchObject({ code: 'SANDBOX_FAILED' });
  });
});
