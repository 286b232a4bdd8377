// A lost socket shows only as a pause: whatever was under way goes on, once.

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Cloister, type Sandbox } from '../../../client/index.ts';
import type { Script } from '../../support/peer-exec.ts';
import { eventually } from '../../support/eventually.ts';
import { ProtocolPeer, type PeerOptions } from '../../support/protocol-peer.ts';

const AT_ONCE = { minDelayMs: 1, maxDelayMs: 2, giveUpAfterMs: 20_000 };

/** Parts of both streams, of many sizes, each byte telling where it stands. */
function script(sizes: readonly number[]): Script {
  let at = 0;
  return sizes.map((size, n) => {
    const text = Uint8Array.from({ length: size }, (_, i) => (at + i) % 251);
    at += size;
    return { text, isStderr: n % 3 === 1 };
  });
}

function expected(parts: Script): { stdout: Buffer; stderr: Buffer; size: number } {
  const of = (isStderr: boolean): Buffer =>
    Buffer.concat(parts.filter((part) => (part.isStderr === true) === isStderr).map(({ text }) => Buffer.from(text)));
  return { stdout: of(false), stderr: of(true), size: parts.reduce((sum, { text }) => sum + text.length, 0) };
}

const PARTS = script([10, 3, 70_000, 5, 1, 300_000, 20, 400_000, 1]);
const WANTED = expected(PARTS);

async function withPeer(
  options: PeerOptions,
  use: (peer: ProtocolPeer, cloister: Cloister, sandbox: Sandbox) => Promise<void>,
): Promise<void> {
  await using peer = await ProtocolPeer.start(options);
  const cloister = await Cloister.connect({ url: peer.url, token: peer.token, reconnect: AT_ONCE });
  try {
    await use(peer, cloister, await cloister.open({ session: 'resume' }));
  } finally {
    await cloister.close();
  }
}

/** Streams the scripted command and checks that every byte came once, in order, with one result. */
async function streamOnce(sandbox: Sandbox): Promise<void> {
  const execution = sandbox.exec(['scripted']);
  const seen = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  let offset = 0;
  let results = 0;
  void execution.result.then(() => (results += 1));
  for await (const chunk of execution) {
    expect(chunk.offset).toBe(offset);
    expect(chunk.droppedBytes).toBe(0);
    offset += chunk.bytes.byteLength;
    seen[chunk.stream].push(chunk.bytes);
  }
  expect(offset).toBe(WANTED.size);
  expect(Buffer.compare(Buffer.concat(seen.stdout), WANTED.stdout)).toBe(0);
  expect(Buffer.compare(Buffer.concat(seen.stderr), WANTED.stderr)).toBe(0);
  expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 0, nextOffset: WANTED.size });
  expect(results).toBe(1);
}

describe('a streamed command whose socket is cut', () => {
  let peer: ProtocolPeer;
  let cloister: Cloister;

  beforeEach(async () => {
    peer = await ProtocolPeer.start({ scripts: { scripted: PARTS } });
    cloister = await Cloister.connect({ url: peer.url, token: peer.token, reconnect: AT_ONCE });
  });
  afterEach(async () => {
    await cloister.close();
    await peer[Symbol.asyncDispose]();
  });

  test('after any one message, in either direction, gives every byte once, in order, and one result', async () => {
    const sandbox = await cloister.open({ session: 'resume' });
    for (let cut = 1; ; cut += 1) {
      const before = peer.connectionsSeen;
      peer.messagesUntilCut = cut;
      await streamOnce(sandbox);
      const wasCut = peer.connectionsSeen > before || peer.messagesUntilCut === Infinity;
      peer.messagesUntilCut = Infinity;
      if (!wasCut) {
        expect(cut).toBeGreaterThan(10);
        break;
      }
    }
  });

  test('again and again, anywhere, does the same', async () => {
    const sandbox = await cloister.open({ session: 'resume' });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 3, max: 14 }), { minLength: 1, maxLength: 6 }), async ([first = 3, ...further]) => {
        peer.messagesUntilCut = first;
        peer.furtherCuts = further;
        await streamOnce(sandbox);
        peer.messagesUntilCut = Infinity;
        peer.furtherCuts = [];
      }),
      { numRuns: 40 },
    );
  });
});

describe('after a lost socket', () => {
  test('a real command goes on and is started once', () =>
    withPeer({}, async (peer, _, sandbox) => {
      const execution = sandbox.exec('echo start >> starts; for n in 1 2 3 4 5 6; do echo $n; sleep 0.05; done');
      let seen = '';
      for await (const { text } of execution) {
        seen += text;
        if (text.includes('2') || text.includes('4')) peer.cutAll();
      }
      expect(seen).toBe('1\n2\n3\n4\n5\n6\n');
      expect(await sandbox.files.readText('starts')).toBe('start\n');
      expect(peer.connectionsSeen).toBe(3);
    }));

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 12, 16])('stdin that was under way arrives once, in order (cut after %i messages)', (cut) =>
    withPeer({}, async (peer, _, sandbox) => {
      const bytes = Buffer.alloc(1_500_000, 'stdin, all of it, once. ');
      peer.messagesUntilCut = cut;
      const execution = sandbox.exec('cat > received', { stdin: bytes });
      expect((await execution).outcome).toBe('exited');
      expect(Buffer.compare(await sandbox.files.read('received'), bytes)).toBe(0);
    }),
  );

  test.each([1, 2, 3, 4, 5, 6, 7])('a file of bytes is written whole (cut after %i messages)', (cut) =>
    withPeer({}, async (peer, _, sandbox) => {
      const bytes = Buffer.alloc(1_000_000, 'file content ');
      peer.messagesUntilCut = cut;
      expect((await sandbox.files.write('f', bytes)).size).toBe(bytes.byteLength);
      expect(Buffer.compare(await sandbox.files.read('f'), bytes)).toBe(0);
    }),
  );

  test('a file from a source that cannot be read again is an error and leaves the old content', () =>
    withPeer({}, async (peer, _, sandbox) => {
      await sandbox.files.write('f', 'old');
      async function* source(): AsyncGenerator<string> {
        yield 'new';
        peer.cutAll();
        await eventually(
          () => peer.connectionsSeen,
          (seen) => seen === 2,
        );
        yield 'more';
      }
      await expect(sandbox.files.write('f', source())).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
      expect(await sandbox.files.readText('f')).toBe('old');
    }));

  test('an append whose answer was lost is not repeated: its outcome is unknown', () =>
    withPeer({}, async (peer, _, sandbox) => {
      await sandbox.files.write('log', 'a');
      peer.losesAnswerOf = 'files.write';
      await expect(sandbox.files.write('log', 'b', { append: true })).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
      expect(await sandbox.files.readText('log')).toBe('ab');
    }));

  test('a move whose answer was lost is not repeated', () =>
    withPeer({}, async (peer, _, sandbox) => {
      await sandbox.files.write('from', 'x');
      peer.messagesUntilCut = 2;
      await expect(sandbox.files.move('from', 'to')).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
      expect(await sandbox.files.readText('to')).toBe('x');
    }));

  test('a half-read file stream is an error, never two halves of different contents', () =>
    withPeer({}, async (peer, _, sandbox) => {
      await sandbox.files.write('f', Buffer.alloc(2_000_000));
      const read = async (): Promise<void> => {
        for await (const _part of sandbox.files.readStream('f')) peer.cutAll();
      };
      await expect(read()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    }));

  test('calls made meanwhile wait and are answered', () =>
    withPeer({}, async (peer, cloister, sandbox) => {
      peer.cutAll();
      const [listed, result, stat] = await Promise.all([cloister.list(), sandbox.exec('echo waited'), sandbox.files.stat('.')]);
      expect([listed.length, result.stdout, stat.kind]).toEqual([1, 'waited\n', 'directory']);
    }));

  test('a sandbox that ended meanwhile is SESSION_EXPIRED for its calls, and none is made in its place', () =>
    withPeer({}, async (peer, cloister, sandbox) => {
      const execution = sandbox.exec('sleep 600');
      await sandbox.execs();
      peer.endSandbox(sandbox.id);
      peer.cutAll();
      await expect(execution.result).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
      await expect(sandbox.files.list('.')).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
      await expect.poll(() => peer.sandboxes.size).toBe(0);
      expect(await cloister.list()).toEqual([]);
    }));

  test('a workspace is not said to be deleted with a sandbox that had ended before', () =>
    withPeer({}, async (peer, _, sandbox) => {
      peer.endSandbox(sandbox.id);
      await expect(sandbox.close({ workspace: 'delete' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(sandbox.close({ workspace: 'delete' })).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
      await sandbox.close();
    }));

  test('a session that someone else controls by then is SESSION_BUSY, and is not taken back', () =>
    withPeer({}, async (peer, _, sandbox) => {
      const known = peer.sandbox(sandbox.id);
      known.controller = 'another client';
      peer.cutAll();
      await expect(sandbox.exec('true').result).rejects.toMatchObject({ code: 'SESSION_BUSY' });
      expect(known.controller).toBe('another client');
    }));

  test('a gap in what is kept is told by the chunk after it', () =>
    withPeer({ keepBytes: 100, scripts: { long: [{ text: 'a'.repeat(1000) }, { text: 'b'.repeat(50) }] } }, async (_peer, _, sandbox) => {
      const execution = sandbox.exec(['long'], { background: true });
      await execution;
      const chunks = [];
      for await (const chunk of execution) chunks.push([chunk.droppedBytes, chunk.offset, chunk.text]);
      expect(chunks).toEqual([
        [950, 950, ''],
        [0, 950, 'a'.repeat(50)],
        [0, 1000, 'b'.repeat(50)],
      ]);
    }));
});
