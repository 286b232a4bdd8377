// What a session did, recorded: nothing unless it is asked for, never more than its bounds, and readable after a crash.

import { appendFile, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Recordings, type RecordingsOptions } from '../../../daemon/exec/recordings.ts';
import type { RecordingEvent } from '../../../daemon/exec/recording-format.ts';
import type { AuditEntry } from '../../../daemon/observe/audit-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { silentLog } from '../../support/fake-sandbox.ts';

const MIB = 1024 * 1024;
const idOf = (letter: string): string => `sb_${letter.repeat(20)}`;
const A = idOf('a');

let directory: string;
let clock: FakeClock;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cl-rec-'));
  clock = new FakeClock(Date.now());
});
afterEach(() => rm(directory, { recursive: true }));

const open = (more: Partial<RecordingsOptions> = {}): Promise<Recordings> =>
  Recordings.open({ directory, maxBytes: MIB, totalBytes: 100 * MIB, retainMs: 3_600_000, profiles: [], clock, log: silentLog, ...more });

const told = (kind: AuditEntry['kind'], more: object = {}): AuditEntry => ({
  ...{ kind, sandboxId: A, tenant: 'acme', session: 'build', execId: 'x1', ...more },
});
const start = (recordings: Recordings, more: object = {}): void =>
  recordings.told(told('exec.start', { profile: 'readonly', command: ['make', 'all'], ...more }));
const write = (recordings: Recordings, text: string, id = A): void => recordings.output(id, 'x1', 'stdout', Buffer.from(text));

async function eventsOf(recordings: Recordings, id = A): Promise<RecordingEvent[]> {
  const events: RecordingEvent[] = [];
  for await (const event of recordings.read(id)) events.push(event);
  return events;
}
const textOf = (events: readonly RecordingEvent[]): string =>
  events.map((event) => (event.t === 'out' ? Buffer.from(event.d, 'base64').toString() : '')).join('');
const bytesOnDisk = async (): Promise<number> => {
  const sizes = await Promise.all((await readdir(directory)).map(async (name) => (await stat(join(directory, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
};

describe('a session is recorded', () => {
  test('with its commands, what they wrote and how they ended, each with its time, for the owner alone to read', async () => {
    const recordings = await open();
    start(recordings);
    write(recordings, 'one ');
    await clock.advance(250);
    recordings.output(A, 'x1', 'stderr', Buffer.from([0xff, 0x00]));
    recordings.told(told('exec.end', { outcome: 'exited', exitCode: 3 }));
    recordings.told(told('sandbox.close', { execId: undefined }));
    const events = await eventsOf(recordings);
    const [{ at } = { at: 0 }] = events;
    expect(events).toEqual([
      { t: 'start', at, exec: 'x1', command: 'make all' },
      { t: 'out', at, exec: 'x1', s: 'stdout', d: Buffer.from('one ').toString('base64') },
      { t: 'out', at: at + 250, exec: 'x1', s: 'stderr', d: '/wA=' },
      { t: 'end', at: at + 250, exec: 'x1', outcome: 'exited', exitCode: 3 },
      { t: 'close', at: at + 250 },
    ]);
    expect(recordings.list()).toMatchObject([{ sandboxId: A, tenant: 'acme', session: 'build', isLive: false }]);
    expect((await stat(join(directory, `${A}.0.rec`))).mode & 0o777).toBe(0o600);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  test.each<[string, Partial<RecordingsOptions>, object]>([
    ['unless the configuration asks for it', { maxBytes: 0 }, {}],
    ['unless its profile is one of those that are', { profiles: ['workspace-write'] }, {}],
    ['unless its record is one of ours', {}, { sandboxId: '../../etc/passwd' }],
  ])('not %s', async (_, options, more) => {
    const recordings = await open(options);
    start(recordings, more);
    write(recordings, 'secret');
    await recordings.stop();
    expect([recordings.list(), await readdir(directory)]).toEqual([[], []]);
  });
});

describe('its bounds', () => {
  test('the latest part of a long one is kept, in files that each say whose it is', async () => {
    const recordings = await open();
    start(recordings);
    for (let n = 0; n < 100; n += 1) {
      write(recordings, `${String(n).padStart(4)}${'x'.repeat(30_000)}\n`);
      await clock.advance(1000);
      await recordings.stop();
    }
    expect(await bytesOnDisk()).toBeLessThanOrEqual(MIB);
    const text = textOf(await eventsOf(recordings));
    expect(text).toContain('  99xxx');
    expect(text).not.toContain('   0xxx');
    expect(text.length).toBeGreaterThan(300_000);
    for (const name of await readdir(directory))
      expect(JSON.parse((await readFile(join(directory, name), 'utf8')).split('\n')[0] ?? '')).toMatchObject({
        sandboxId: A,
        tenant: 'acme',
      });
  });

  test('what comes faster than the disk takes it is counted and not kept', async () => {
    const recordings = await open();
    start(recordings);
    for (let n = 0; n < 100; n += 1) write(recordings, 'y'.repeat(60_000));
    write(recordings, 'the last');
    const events = await eventsOf(recordings);
    expect(events.find(({ t }) => t === 'dropped')).toMatchObject({ bytes: expect.any(Number) as number });
    expect(await bytesOnDisk()).toBeLessThanOrEqual(2 * MIB);
  });

  test('all together: the oldest that has ended gives way, and without one it is not written', async () => {
    const recordings = await open({ totalBytes: MIB });
    for (const id of [A, idOf('b'), idOf('c')]) {
      start(recordings, { sandboxId: id });
      for (let n = 0; n < 6; n += 1) {
        write(recordings, 'z'.repeat(60_000), id);
        await recordings.stop();
      }
      if (id === A) recordings.told(told('sandbox.close'));
      await recordings.stop();
    }
    expect(recordings.list().map(({ sandboxId }) => sandboxId)).not.toContain(A);
    expect(recordings.list().reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(MIB);
  });

  test('in time: it goes when nobody has written to it for so long', async () => {
    await writeFile(join(directory, `${A}.0.rec`), header(A), { mode: 0o600 });
    const old = new Date(clock.now() - 2 * 3_600_000);
    await utimes(join(directory, `${A}.0.rec`), old, old);
    expect((await open()).list()).toEqual([]);
    await clock.advance(0);
  });
});

describe('after a crash', () => {
  test('a torn line is passed over, and what goes on is written behind it', async () => {
    await writeFile(join(directory, `${A}.4.rec`), `${header(A)}${line('start', 'make')}{"t":"out","at":1,"exec":"x1","s":"std`);
    const recordings = await open();
    write(recordings, 'goes on');
    recordings.told(told('exec.end', { outcome: 'exited', exitCode: 0 }));
    expect((await eventsOf(recordings)).map(({ t }) => t)).toEqual(['start', 'out', 'end']);
    expect((await readdir(directory)).sort()).toEqual([`${A}.4.rec`, `${A}.5.rec`]);
  });

  test('what is no recording is left where it is', async () => {
    const files = { [`${A}.0.rec`]: 'not json', [`${idOf('b')}.0.rec`]: header(A), 'notes.txt': 'x' };
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    expect((await open()).list()).toEqual([]);
    expect((await readdir(directory)).sort()).toEqual(Object.keys(files).sort());
  });

  test('a file that is gone meanwhile leaves what is in the other', async () => {
    await writeFile(join(directory, `${A}.0.rec`), `${header(A)}${line('start', 'first')}`);
    await writeFile(join(directory, `${A}.1.rec`), `${header(A)}${line('start', 'second')}`);
    const recordings = await open();
    await rm(join(directory, `${A}.0.rec`));
    expect(await eventsOf(recordings)).toMatchObject([{ t: 'start', command: 'second' }]);
  });

  test('lines that are none of ours say nothing', async () => {
    await writeFile(join(directory, `${A}.0.rec`), header(A));
    await appendFile(
      join(directory, `${A}.0.rec`),
      `{"t":"out","at":1,"exec":"x1","s":"stdout","d":"<script>"}\nnull\n\n${line('start', 'a')}`,
    );
    expect((await eventsOf(await open())).map(({ t }) => t)).toEqual(['start']);
  });
});

const header = (sandboxId: string): string =>
  `${JSON.stringify({ version: 1, sandboxId, tenant: 'acme', session: 'build', startedAtMs: 1 })}\n`;
const line = (t: string, command: string): string => `${JSON.stringify({ t, at: 1, exec: 'x1', command })}\n`;
