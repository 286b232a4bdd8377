import { cp, mkdtemp, open as openFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OutputTail } from '../../../daemon/exec/output-tail.ts';
import { ExecSpool } from '../../../daemon/exec/spool.ts';
import { SpoolReader } from '../../../daemon/exec/spool-reader.ts';
import { SpoolStore } from '../../../daemon/exec/spool-store.ts';
import type { OutputStream } from '../../../daemon/link/messages.ts';

const log = pino({ level: 'silent' });
const MIB = 1024 * 1024;
let dir: string;
let store: SpoolStore;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cloister-spool-'));
  store = new SpoolStore({ dir, log });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function open(
  options: { name?: string; keepBytes?: number; from?: SpoolStore; durable?: number[]; errors?: unknown[]; directory?: string } = {},
): ExecSpool {
  return new ExecSpool({
    store: options.from ?? store,
    directory: options.directory ?? store.directoryOf('sb'),
    name: options.name ?? '1',
    keepBytes: options.keepBytes ?? 16 * MIB,
    onDurable: (offset) => options.durable?.push(offset),
    onError: (error) => options.errors?.push(error),
  });
}

/** Everything from `offset` on, with gaps. */
async function readAll(
  spool: ExecSpool,
  offset = 0,
): Promise<{ stdout: Buffer; stderr: Buffer; gaps: { from: number; to: number }[]; end: number }> {
  const reader = new SpoolReader(spool, offset);
  const parts: Record<OutputStream, Buffer[]> = { stdout: [], stderr: [] };
  const gaps: { from: number; to: number }[] = [];
  let next = offset;
  for (let batch = await reader.next(); batch !== null; batch = await reader.next()) {
    if ('from' in batch) {
      expect(batch.from).toBe(next);
      gaps.push(batch);
      next = batch.to;
    } else {
      for (const piece of batch) {
        expect(piece.offset).toBe(next);
        parts[piece.stream].push(Buffer.from(piece.bytes));
        next += piece.bytes.length;
      }
    }
  }
  await reader.close();
  return { stdout: Buffer.concat(parts.stdout), stderr: Buffer.concat(parts.stderr), gaps, end: next };
}

const offsetOf = (name: string): number => Number(name.split('.')[1]);

const pattern = (bytes: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length: bytes }, (_, index) => (index * 7 + seed) & 0xff));

describe('the spool of a command', () => {
  test('gives back what was appended, stream by stream, from any offset', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(
            fc.constantFrom<OutputStream>('stdout', 'stderr'),
            fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 4000, max: 65_536 })),
          ),
          { minLength: 1, maxLength: 30 },
        ),
        fc.nat(),
        async (writes, at) => {
          const spool = open({ name: String(Math.floor(Math.random() * 1e9) + 1) });
          const expected: { stream: OutputStream; byte: number }[] = [];
          for (const [index, [stream, size]] of writes.entries()) {
            const bytes = pattern(size, index);
            spool.append(stream, bytes);
            for (const byte of bytes) expected.push({ stream, byte });
          }
          const offset = at % expected.length;
          const of = (stream: OutputStream): Buffer =>
            Buffer.from(
              expected
                .slice(offset)
                .filter((item) => item.stream === stream)
                .map((item) => item.byte),
            );
          for (const state of ['in memory', 'on disk']) {
            if (state === 'on disk') await spool.finish();
            const read = await readAll(spool, offset);
            expect(read.stdout.equals(of('stdout')) && read.stderr.equals(of('stderr')), state).toBe(true);
            expect(read.gaps).toEqual([]);
          }
          await spool.remove();
        },
      ),
      { numRuns: 25 },
    );
  });

  test('makes no file and gives no credit for small output', async () => {
    const durable: number[] = [];
    const spool = open({ durable });
    spool.append('stdout', Buffer.from('hi\n'));
    expect(spool.small()?.length).toBe(7);
    expect(durable).toEqual([]);
    expect(await readdir(dir)).toEqual([]);
    expect((await readAll(spool)).stdout.toString()).toBe('hi\n');
  });

  test('gives credit only for what is in a file', async () => {
    const durable: number[] = [];
    const spool = open({ durable });
    spool.append('stdout', Buffer.alloc(65_000));
    expect(durable).toEqual([]);
    spool.append('stdout', Buffer.alloc(65_000));
    await spool.flush();
    expect(durable).toEqual([130_000]);
    const recovered = await store.recover('sb');
    expect(recovered.get(1)?.at(-1)?.end).toBe(130_000);
    await spool.finish();
  });

  test('keeps the newest 16 MiB and says what is gone', async () => {
    const spool = open();
    for (let index = 0; index < 40; index += 1) {
      spool.append('stdout', pattern(60_000, index));
      spool.append('stdout', Buffer.alloc(MIB - 60_000, index));
      await spool.flush();
    }
    const { gaps, end, stdout } = await readAll(spool);
    expect(end).toBe(40 * MIB);
    expect(gaps).toHaveLength(1);
    expect(stdout.length).toBeGreaterThanOrEqual(16 * MIB);
    expect(stdout.length).toBeLessThan(21 * MIB);
    expect(stdout[stdout.length - 1]).toBe(39);
    expect(store.totalBytes).toBeLessThan(22 * MIB);
    await spool.remove();
    expect(store.totalBytes).toBe(0);
    expect(await readdir(store.directoryOf('sb'))).toEqual([]);
  });

  test('writes over files that nobody needs any more, and no old byte is ever read', async () => {
    const spool = open({ keepBytes: 4 * MIB });
    const inodes = new Set<number>();
    for (let index = 0; index < 60; index += 1) {
      // Of a length that no file is a multiple of, so that each has older records behind its own.
      spool.append(index % 2 === 0 ? 'stdout' : 'stderr', Buffer.alloc(60_001, index));
      spool.append('stdout', Buffer.alloc(700_000 + index, index));
      await spool.flush();
      for (const name of await readdir(store.directoryOf('sb'))) inodes.add((await stat(join(store.directoryOf('sb'), name))).ino);
      const { start } = spool;
      const live = await readAll(spool, start);
      expect(live.end).toBe(spool.end);
      expect(live.stdout.at(-1)).toBe(index);
      if (index % 7 !== 0) continue;
      // What the next daemon would find, if this one were killed now.
      const copy = await mkdtemp(join(tmpdir(), 'cloister-spool-'));
      await cp(dir, copy, { recursive: true });
      const recovered = await new SpoolStore({ dir: copy, log }).recover('sb');
      expect(recovered.get(1)?.at(-1)?.end).toBe(spool.end);
      await rm(copy, { recursive: true });
    }
    expect(inodes.size).toBeLessThan(5);
    expect(store.totalBytes).toBeLessThan(16 * MIB);
    await spool.remove();
    expect(store.totalBytes).toBe(0);
    expect(await readdir(store.directoryOf('sb'))).toEqual([]);
  });

  test('a daemon that is killed in the middle of writing over a file leaves nothing older in its output', async () => {
    const spool = open({ keepBytes: MIB });
    for (let index = 0; index < 12; index += 1) {
      spool.append('stdout', Buffer.alloc(MIB, index));
      await spool.flush();
    }
    const [last] = (await readdir(store.directoryOf('sb'))).sort((a, b) => offsetOf(b) - offsetOf(a));
    const path = join(store.directoryOf('sb'), last ?? '');
    const before = (await store.recover('sb')).get(1)?.at(-1)?.end;
    const file = await openFile(path, 'r+');
    const { size } = await file.stat();
    // The records came, whole or in part, and what says that they hold did not.
    await file.write(Buffer.concat([Buffer.from([0, 0, 2, 0]), Buffer.alloc(65_536, 0xee)]), 0, undefined, size);
    await file.close();
    expect((await store.recover('sb')).get(1)?.at(-1)?.end).toBe(before);
    await spool.finish();
  });

  test('lets a reader that is in the middle of a file finish it after it was trimmed', async () => {
    const spool = open({ keepBytes: MIB });
    for (let index = 0; index < 4; index += 1) {
      spool.append('stdout', Buffer.alloc(MIB, index));
      await spool.flush();
    }
    const reader = new SpoolReader(spool, 0);
    await reader.next();
    for (let index = 4; index < 20; index += 1) {
      spool.append('stdout', Buffer.alloc(MIB, index));
      await spool.flush();
    }
    expect(spool.start).toBeGreaterThan(4 * MIB);
    let batch = await reader.next();
    expect(batch).toBeInstanceOf(Array);
    while (Array.isArray(batch)) batch = await reader.next();
    expect(batch).toMatchObject({ to: spool.start });
    await reader.close();
    await spool.finish();
  });

  test('cuts off what a crash left torn', async () => {
    const spool = open();
    spool.append('stdout', pattern(100_000, 1));
    await spool.finish();
    const path = join(store.directoryOf('sb'), '1.0.spool');
    spool.append('stderr', pattern(30_000, 2));
    await spool.finish();
    await truncate(path, 8 + 100_004 + 2 * 4 + 12_345);
    const segments = (await new SpoolStore({ dir, log }).recover('sb')).get(1) ?? [];
    expect(segments.map((segment) => [segment.base, segment.end])).toEqual([[0, 100_000]]);
    const again = new ExecSpool(
      { store, directory: store.directoryOf('sb'), name: '1', keepBytes: 16 * MIB, onDurable: () => undefined, onError: () => undefined },
      segments,
    );
    again.append('stderr', pattern(30_000, 2));
    await again.finish();
    const read = await readAll(again);
    expect(read.stdout.equals(pattern(100_000, 1)) && read.stderr.equals(pattern(30_000, 2))).toBe(true);
  });

  test('removes the oldest ended spools first when all of them are too large', async () => {
    const small = new SpoolStore({ dir, log, maxTotalBytes: 3 * MIB });
    const spools: ExecSpool[] = [];
    for (const name of ['1', '2', '3']) {
      const spool = open({ name, from: small });
      spool.append('stdout', Buffer.alloc(MIB - 200));
      await spool.finish();
      small.ended(spool);
      spools.push(spool);
    }
    const running = open({ name: '4', from: small });
    running.append('stdout', Buffer.alloc(MIB));
    await running.flush();
    expect(await Promise.all(spools.map(async (spool) => (await readAll(spool)).gaps.length))).toEqual([1, 0, 0]);
    expect(small.totalBytes).toBeLessThanOrEqual(3 * MIB);
    await running.finish();
  });

  test('goes on without a disk, and says so to who comes late', async () => {
    await writeFile(join(dir, 'file'), '');
    const errors: unknown[] = [];
    const durable: number[] = [];
    const spool = open({ directory: join(dir, 'file'), errors, durable });
    for (let index = 0; index < 20; index += 1) {
      spool.append('stdout', Buffer.alloc(65_536));
      await spool.flush();
    }
    expect(errors).toHaveLength(1);
    expect(durable.at(-1)).toBe(20 * 65_536);
    const { gaps, end } = await readAll(spool);
    expect(end).toBe(20 * 65_536);
    expect(gaps).toHaveLength(1);
  });

  test('packs a flood of single bytes', () => {
    const tail = new OutputTail(0);
    for (let index = 0; index < 262_144; index += 1) tail.append(index % 2 === 0 ? 'stdout' : 'stderr', Buffer.from([index & 0xff]));
    expect(tail.take().reduce((sum, buffer) => sum + buffer.length, 0)).toBe(262_144 * 5);
  });
});
