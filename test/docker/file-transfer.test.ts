// A large file in and out of a sandbox while its connection is cut half-way: what came is gone on with, by offset, every byte
// arrives, and neither daemon nor client nor cloister-init grows with the file. CLOISTER_TEST_LOAD=1 makes it 4 GiB.

import { createHash, type Hash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cloister, type Sandbox } from '../../client/index.ts';
import { type CuttingProxy, startCuttingProxy } from '../support/cutting-proxy.ts';
import { codeOf } from '../support/eventually.ts';
import { processesOf, residentBytes } from '../support/host-view.ts';
import { type SpawnedDaemon, spawnTestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const SIZE = process.env['CLOISTER_TEST_LOAD'] === '1' ? 4 * GIB : 96 * MIB;
const DISK_BYTES = SIZE + 2 * GIB;
const LOOK_EVERY = 16 * MIB;
/** What a process may be larger at its peak than before: windows and buffers, and garbage that is not collected yet. */
const MAX_GROWTH = { daemon: 192 * MIB, client: 256 * MIB, init: 8 * MIB };

let daemon: SpawnedDaemon;
let proxy: CuttingProxy;
let sandbox: Sandbox;

beforeAll(async () => {
  proxy = await startCuttingProxy(() => Number(new URL(daemon.url).port));
  daemon = await spawnTestDaemon({ config: { origins: [`http://127.0.0.1:${proxy.port}`], workspace: { poolBytes: 8 * GIB } } });
  const client = await Cloister.connect({ url: `ws://127.0.0.1:${proxy.port}`, token: await daemon.token('acme') });
  sandbox = await client.open({ session: 'transfer', workspace: { retain: 'delete' }, limits: { diskBytes: DISK_BYTES } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

type Pids = Readonly<Record<keyof typeof MAX_GROWTH, readonly number[]>>;

/** Resident memory of all that a transfer passes through, beyond what it was at first. */
class Growth {
  readonly #pids: Pids;
  readonly #first = new Map<string, number>();
  readonly peak = { daemon: 0, client: 0, init: 0 };

  private constructor(pids: Pids) {
    this.#pids = pids;
  }

  static async watch(): Promise<Growth> {
    const init = (await processesOf(daemon.driver, sandbox.id)).map(({ pid }) => pid);
    const growth = new Growth({ daemon: [daemon.pid], client: [process.pid], init });
    await growth.look();
    return growth;
  }

  async look(): Promise<void> {
    for (const name of ['daemon', 'client', 'init'] as const) {
      const bytes = (await Promise.all(this.#pids[name].map(residentBytes))).reduce((sum, one) => sum + one, 0);
      const first = this.#first.get(name) ?? bytes;
      this.#first.set(name, first);
      this.peak[name] = Math.max(this.peak[name], bytes - first);
    }
  }
}

/** Bytes of the file from `at` on: every mebibyte is another. `onBlock` hears how far it is. */
async function* content(at: number, onBlock: (offset: number) => Promise<void>): AsyncGenerator<Uint8Array> {
  for (let offset = at; offset < SIZE; ) {
    const start = offset - (offset % MIB);
    const block = Buffer.alloc(MIB, `mebibyte ${start / MIB}, `).subarray(offset - start, SIZE - start);
    yield block;
    offset += block.length;
    await onBlock(offset);
  }
}

async function digestOf(parts: AsyncIterable<Uint8Array>): Promise<string> {
  const hash: Hash = createHash('sha256');
  for await (const part of parts) hash.update(part);
  return hash.digest('hex');
}

test('a transfer that is cut goes on by offset, and nothing grows with the file', async () => {
  const { files } = sandbox;
  const growth = await Growth.watch();
  const expected = digestOf(content(0, async () => undefined));
  let cuts = 0;
  const cutHalfway = async (offset: number): Promise<void> => {
    if (offset % LOOK_EVERY === 0) await growth.look();
    if (offset >= SIZE / 2 && cuts === 0) cuts += proxy.cut();
  };

  const starts: number[] = [];
  for (let size = 0; size < SIZE; size = (await files.stat('big')).size) {
    starts.push(size);
    const written = files.write('big', content(size, cutHalfway), { append: true, at: size, keepPartial: true });
    // What was on its way when the connection was cut may come in after it was asked how large the file is.
    expect(['no error', 'CONNECTION_LOST', 'NO_MATCH']).toContain(await codeOf(written));
  }
  expect(cuts).toBe(1);
  const [first, second = 0] = starts;
  expect(first).toBe(0);
  expect(second, 'where it went on').toBeGreaterThan(SIZE / 4);

  const { inode, size, modifiedAt } = await files.stat('big');
  cuts = 0;
  async function* read(): AsyncGenerator<Uint8Array> {
    let offset = 0;
    for await (const part of files.readStream('big', { ifUnchanged: { inode, size, modifiedAt } })) {
      const before = offset;
      offset += part.byteLength;
      if (Math.floor(before / LOOK_EVERY) !== Math.floor(offset / LOOK_EVERY)) await growth.look();
      if (offset >= SIZE / 2 && cuts === 0) cuts += proxy.cut();
      yield part;
    }
  }
  expect({ size, sha256: await digestOf(read()) }).toEqual({ size: SIZE, sha256: await expected });
  expect(cuts).toBe(1);
  for (const name of ['daemon', 'client', 'init'] as const)
    expect(growth.peak[name], `bytes that ${name} grew`).toBeLessThan(MAX_GROWTH[name]);
}, 1_200_000);

test('a file is read whole up to 256 MiB; a byte more is TOO_LARGE, and the hint says how it is had', async () => {
  const size = 256 * MIB;
  await sandbox.exec(
    `truncate -s ${size} whole && for at in 0 ${size - 5}; do printf %-5s $at | head -c 5 | dd of=whole bs=1 seek=$at conv=notrunc status=none; done; cp --sparse=always whole more && truncate -s ${size + 1} more`,
  );
  const bytes = Buffer.from(await sandbox.files.read('whole'));
  expect(bytes.length).toBe(size);
  expect([bytes.toString('latin1', 0, 6), bytes.toString('latin1', size - 6)]).toEqual(['0    \0', '\x0026843']);
  expect(bytes.subarray(5, size - 5).equals(Buffer.alloc(size - 10))).toBe(true);
  await expect(sandbox.files.read('more')).rejects.toMatchObject({
    code: 'TOO_LARGE',
    message: `Cannot read "more" at once: it is over ${size} bytes`,
    hint: 'Use readStream, or read a part of it with offset and length.',
  });
  expect((await sandbox.files.read('more', { offset: 1 })).byteLength).toBe(size);
});
