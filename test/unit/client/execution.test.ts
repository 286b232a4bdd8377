// What an execution costs, where its bytes wait, and how its text is decoded.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cloister, type OutputChunk, type Sandbox } from '../../../client/index.ts';
import { InboundStream, WINDOW } from '../../../client/inbound-stream.ts';
import { ChunkReader } from '../../../client/output-chunk.ts';
import { FLAG_EOF, FLAG_STDERR, FRAME_KIND, INITIAL_WINDOW, type BinaryFrame } from '../../../client/protocol/index.ts';
import { ProtocolPeer } from '../../support/protocol-peer.ts';

const MIB = 1024 * 1024;
let peer: ProtocolPeer;
let cloister: Cloister;
let sandbox: Sandbox;

beforeAll(async () => {
  peer = await ProtocolPeer.start({ scripts: { big: Array.from({ length: 64 }, () => ({ text: new Uint8Array(256 * 1024) })) } });
  cloister = await Cloister.connect({ url: peer.url, token: peer.token });
  sandbox = await cloister.open({ session: 'execution' });
});
afterAll(async () => {
  await cloister.close();
  await peer[Symbol.asyncDispose]();
});

const connection = () => [...peer.connections][0]!;
const startOf = (id: string) => peer.sandbox(sandbox.id).execs.get(id)!.params;

describe('an execution', () => {
  test('that is only awaited asks for no stream', async () => {
    const { id } = await sandbox.exec(['true']);
    expect(startOf(id).stream).toBeUndefined();
  });

  test('that is held asks for one and, once awaited and stalled, gives it up', async () => {
    const execution = sandbox.exec(['big']);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const stops = connection().stops.length;
    expect((await execution).nextOffset).toBe(16 * MIB);
    expect(connection().stops.slice(stops)).toEqual([startOf(execution.id).stream]);
  });

  test('that is iterated needs few credit frames', async () => {
    const before = connection().creditFrames;
    let bytes = 0;
    for await (const chunk of sandbox.exec(['big'])) bytes += chunk.bytes.byteLength;
    expect(bytes).toBe(16 * MIB);
    expect(connection().creditFrames - before).toBeLessThanOrEqual(40);
  });

  test('with a failing callback is killed and rejects with its error', async () => {
    const execution = sandbox.exec('echo up; sleep 600', {
      onStdout: () => {
        throw new Error('the caller is broken');
      },
    });
    await expect(execution.result).rejects.toMatchObject({ code: 'CALLBACK_FAILED', cause: { message: 'the caller is broken' } });
    expect((await sandbox.attach(execution.id)).outcome).toBe('killed');
  });

  test('whose stdin source fails is killed and rejects with its error', async () => {
    async function* source(): AsyncGenerator<string> {
      yield 'some';
      throw new Error('the source is broken');
    }
    const execution = sandbox.exec('cat; sleep 600', { stdin: source() });
    await expect(execution.result).rejects.toMatchObject({ code: 'SOURCE_FAILED', cause: { message: 'the source is broken' } });
    expect((await sandbox.attach(execution.id)).outcome).toBe('killed');
  });

  test('written to at once gets a pipe, even in the background', async () => {
    const execution = sandbox.exec('cat', { background: true });
    await execution.write('by hand');
    execution.closeStdin();
    expect((await execution).stdout).toBe('by hand');
  });

  test('refuses writes after closeStdin', async () => {
    const execution = sandbox.exec('cat', { stdin: true });
    execution.closeStdin();
    await expect(execution.write('late')).rejects.toMatchObject({ code: 'STDIN_CLOSED' });
    await execution;
  });

  test('that fails without anyone looking disturbs nobody', async () => {
    sandbox.exec([]);
    sandbox.attach('unknown');
    expect((await sandbox.exec('echo fine')).stdout).toBe('fine\n');
  });

  test('leaves nothing behind in its client: no foreground id, no stream', async () => {
    for (let n = 0; n < 50; n += 1) await sandbox.exec('echo x', { stdin: 'y' });
    const before = peer.operations.length;
    const other = await Cloister.connect({ url: peer.url, token: peer.token });
    const joined = await other.open({ session: 'execution', role: 'participant' });
    await joined.exec('true');
    await other.close();
    expect(peer.operations.slice(before)).toEqual(['hello', 'open', 'exec.start']);
  });
});

describe('text', () => {
  const decode = (parts: readonly Uint8Array[]): string => {
    const reader = new ChunkReader();
    let offset = 0;
    const chunks = parts.map((bytes): OutputChunk => {
      const chunk = reader.read({ bytes, isStderr: false, offset, droppedBytes: 0 });
      offset += bytes.byteLength;
      return chunk;
    });
    return [...chunks, ...reader.finish(offset)].map((chunk) => chunk.text).join('');
  };
  const cutAt = (bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] => {
    const points = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
    return points.slice(1).map((end, n) => bytes.subarray(points[n], end));
  };

  test('split anywhere decodes as the whole does, valid or not', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }).map((text) => new Uint8Array(Buffer.from(text))),
      fc.uint8Array({ max: 255 }),
      fc
        .array(fc.constantFrom(0x41, 0x80, 0xbf, 0xc3, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xed, 0xa0, 0xf5, 0xff))
        .map((bytes) => Uint8Array.from(bytes)),
    );
    fc.assert(
      fc.property(anything, fc.array(fc.nat(1000), { maxLength: 12 }), (bytes, cuts) => {
        expect(decode(cutAt(bytes, cuts))).toBe(Buffer.from(bytes).toString('utf8'));
      }),
      { numRuns: 2000 },
    );
  });

  test('of each stream is decoded on its own', () => {
    const reader = new ChunkReader();
    const piece = (bytes: number[], isStderr: boolean) =>
      reader.read({ bytes: Uint8Array.from(bytes), isStderr, offset: 0, droppedBytes: 0 }).text;
    expect([piece([0xc3], false), piece([0xe2, 0x82], true), piece([0xa9], false), piece([0xac], true)]).toEqual(['', '', 'é', '€']);
  });
});

describe('a receiving stream', () => {
  const frame = (offset: number, size: number, flags = 0): BinaryFrame => ({
    kind: FRAME_KIND.data,
    flags,
    stream: 1,
    offset,
    payload: new Uint8Array(size),
  });
  const stream = () => {
    const credits: number[] = [];
    return { credits, input: new InboundStream(0, (offset) => credits.push(offset)) };
  };

  test('drops what it has and keeps what is new', async () => {
    const { input } = stream();
    input.push(frame(0, 10));
    input.push(frame(5, 10, FLAG_STDERR));
    input.push(frame(3, 4));
    expect([await input.next(), await input.next()]).toMatchObject([
      { offset: 0, isStderr: false },
      { offset: 10, isStderr: true },
    ]);
    expect(input.received).toBe(15);
  });

  test.each([
    ['a hole', 10, 10],
    ['more than was granted', 0, INITIAL_WINDOW + 1],
  ])('fails on %s', async (_, offset, size) => {
    const { input } = stream();
    input.push(frame(offset, size));
    await expect(input.next()).rejects.toMatchObject({ code: 'PROTOCOL_ERROR' });
  });

  test('holds at most its window, and grants as it is read', async () => {
    const { credits, input } = stream();
    let sent = 0;
    const fill = () => {
      const limit = credits.at(-1) ?? INITIAL_WINDOW;
      while (sent < limit) {
        const size = Math.min(64 * 1024, limit - sent);
        input.push(frame(sent, size));
        sent += size;
      }
    };
    fill();
    expect(sent).toBe(INITIAL_WINDOW);
    for (let read = 0; read < 100 * MIB; fill()) {
      const piece = await input.next();
      read += piece?.bytes.byteLength ?? 0;
      expect(sent - read).toBeLessThanOrEqual(WINDOW);
    }
    expect(credits.length).toBeLessThanOrEqual(2 * 100 + 2);
  });

  test('ends at EOF, or where it is told the end is', async () => {
    const { input } = stream();
    input.push(frame(0, 4, FLAG_EOF));
    expect(input.isComplete).toBe(true);
    await input.next();
    expect(await input.next()).toBeNull();
    const other = stream().input;
    other.endAt(4);
    expect(other.isComplete).toBe(false);
    other.push(frame(0, 4));
    expect(other.isComplete).toBe(true);
  });
});
