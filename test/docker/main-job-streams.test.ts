// Bytes in and out of commands: nothing is lost, doubled or mixed up, whatever their size and form.

import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OutputChunk, Sandbox } from '../../client/index.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let daemon: TestDaemon;
let sandbox: Sandbox;

beforeAll(async () => {
  daemon = await startTestDaemon();
  sandbox = await (await daemon.connect('acme')).open({ session: 'streams' });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

async function collect(chunks: AsyncIterable<OutputChunk>): Promise<OutputChunk[]> {
  const all: OutputChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

describe('stdin', () => {
  test.each<[string, Uint8Array]>([
    ['nothing at all', new Uint8Array(0)],
    ['one byte', Buffer.from([0])],
    ['every byte there is', Uint8Array.from({ length: 256 }, (_, n) => n)],
    ['8 MiB of noise', randomBytes(8 * MIB)],
  ])('%s arrives as it was', async (_, bytes) => {
    expect((await sandbox.exec('sha256sum', { stdin: bytes })).stdout.slice(0, 64)).toBe(sha256(bytes));
  });

  test('and output are pumped at the same time', async () => {
    const bytes = randomBytes(4 * MIB);
    const chunks = await collect(sandbox.exec('cat', { stdin: bytes }));
    expect(sha256(Buffer.concat(chunks.map(({ bytes: part }) => part)))).toBe(sha256(bytes));
  });

  test('that is never closed lets a command end all the same', async () => {
    const execution = sandbox.exec('read -r line; echo "$line"', { stdin: true });
    await execution.write('one line\n');
    expect(await execution).toMatchObject({ outcome: 'exited', stdout: 'one line\n' });
  });
});

describe('output', () => {
  test('of 64 MiB arrives byte for byte', async () => {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of sandbox.exec(['sh', '-c', 'yes 0123456789abcdef | head -c 67108864'])) {
      hash.update(chunk.bytes);
      bytes += chunk.bytes.byteLength;
    }
    expect(bytes).toBe(64 * MIB);
    expect(hash.digest('hex')).toBe(sha256(Buffer.alloc(64 * MIB, '0123456789abcdef\n')));
  });

  test('on both streams keeps the order within each', async () => {
    const chunks = await collect(sandbox.exec('for n in $(seq 1 500); do echo "o$n"; echo "e$n" >&2; done'));
    const text = (stream: string): string =>
      chunks
        .filter((chunk) => chunk.stream === stream)
        .map((chunk) => chunk.text)
        .join('');
    expect(text('stdout')).toBe(Array.from({ length: 500 }, (_, n) => `o${n + 1}\n`).join(''));
    expect(text('stderr')).toBe(Array.from({ length: 500 }, (_, n) => `e${n + 1}\n`).join(''));
  });

  test('with a character cut in two gives whole characters as text', async () => {
    const chunks = await collect(
      sandbox.exec([
        'python3',
        '-c',
        'import sys,time\nfor b in "€😀é".encode():\n sys.stdout.buffer.write(bytes([b])); sys.stdout.flush(); time.sleep(0.02)',
      ]),
    );
    expect(chunks.length).toBeGreaterThan(1);
    expect(chunks.map(({ text }) => text).join('')).toBe('€😀é');
  });

  test('that is no text is given as its bytes', async () => {
    const chunks = await collect(sandbox.exec(['python3', '-c', 'import sys; sys.stdout.buffer.write(bytes(range(256)))']));
    expect(Buffer.concat(chunks.map(({ bytes }) => bytes))).toEqual(Buffer.from(Uint8Array.from({ length: 256 }, (_, n) => n)));
  });

  test('too long for a result keeps head and tail and says what is missing', async () => {
    const result = await sandbox.exec('echo first; yes middle | head -c 1000000; echo last');
    expect(result.stdout.startsWith('first\n')).toBe(true);
    expect(result.stdout.endsWith('last\n')).toBe(true);
    expect(result.stdout.length).toBeLessThan(41_000);
    expect(result.nextOffset).toBe(1_000_011);
  });

  test('over its cap is dropped, counted, and ends with the tail', async () => {
    const result = await sandbox.exec('yes | head -c 1000000; echo last', { outputBytes: 65_536 });
    expect(result).toMatchObject({ outcome: 'exited', exitCode: 0 });
    expect(result.stdout.endsWith('last\n')).toBe(true);
    expect(result.droppedBytes.stdout).toBeGreaterThan(0);
    expect(result.notes.map(({ code }) => code)).toContain('outputTruncated');
  });

  test('of 16 commands at once is not mixed up', async () => {
    const results = await Promise.all(Array.from({ length: 16 }, (_, n) => sandbox.exec(`for i in $(seq 1 200); do echo ${n}; done`)));
    expect(results.map(({ stdout }) => new Set(stdout.trim().split('\n')))).toEqual(
      Array.from({ length: 16 }, (_, n) => new Set([String(n)])),
    );
  });
});

describe('a terminal', () => {
  test('is one, has its size, takes keys, and is resized', async () => {
    const execution = sandbox.exec('tty; stty size; trap "stty size; exit 0" WINCH; echo ready; while :; do sleep 0.05; done', {
      pty: { columns: 91, rows: 17 },
    });
    let seen = '';
    let isResized = false;
    for await (const chunk of execution) {
      expect(chunk.stream).toBe('stdout');
      seen += chunk.text;
      if (seen.includes('ready') && !isResized) {
        isResized = true;
        await execution.resize({ columns: 132, rows: 43 });
      }
    }
    expect(seen).toMatch(/^\/dev\/pts\/\d+\r\n17 91\r\nready\r\n43 132\r\n/);
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 0 });
  });

  test('gives control characters their meaning', async () => {
    const execution = sandbox.exec('trap "echo interrupted; exit 5" INT; echo ready; while :; do sleep 0.05; done', {
      pty: { columns: 80, rows: 24 },
    });
    for await (const chunk of execution) if (chunk.text.includes('ready')) await execution.write('\u0003');
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 5, stdout: expect.stringContaining('interrupted') as string });
  });

  test('of a shell ends with the shell', async () => {
    const execution = sandbox.exec(['bash', '--norc'], { pty: { columns: 80, rows: 24 } });
    await execution.write('echo $((6 * 7)); exit 3\n');
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 3, stdout: expect.stringContaining('42') as string });
  });
});
