// Init is hostile here: whatever it sends, its sandbox fails with a reason and the daemon goes on.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ControlListener } from '../../../daemon/link/control-listener.ts';
import type { Nonces } from '../../../daemon/link/control-listener.ts';
import { FLAG, UP, WINDOW_BYTES, encodeFrame, writeU64 } from '../../../daemon/link/frames.ts';
import { SandboxLink } from '../../../daemon/link/sandbox-link.ts';
import { systemClock } from '../../../daemon/observe/clock.ts';
import { eventually } from '../../support/eventually.ts';
import { silent } from './fake-link.ts';

interface Rogue extends AsyncDisposable {
  readonly link: SandboxLink;
  readonly socketPath: string;
  readonly failed: Promise<string>;
  readonly lost: string[];
  /** Resolves when output of exec 1 has reached the daemon. */
  readonly heard: Promise<void>;
  nonces(): Nonces;
  hello(nonce: Buffer, version?: number): Socket;
  /** Says hello with the right nonce and STATUS, starts exec 1 and confirms it. */
  ready(): Promise<Socket>;
}

const u64 = (value: number): Buffer => {
  const body = Buffer.alloc(8);
  writeU64(body, value, 0);
  return body;
};
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const output = (offset: number, bytes: number): Buffer =>
  encodeFrame(UP.output, 0, 1, Buffer.concat([u64(offset), Buffer.alloc(bytes, 'x')]));
const exit = (outputBytes: number, change: (body: Buffer) => void = () => undefined): Buffer => {
  const body = Buffer.alloc(64);
  writeU64(body, outputBytes, 8);
  change(body);
  return encodeFrame(UP.exit, 0, 1, body);
};
const status = (credited: number, end: number, state = 0): Buffer => {
  const body = Buffer.alloc(24);
  body.writeUInt32LE(1, 0);
  body[4] = state;
  writeU64(body, credited, 8);
  writeU64(body, end, 16);
  return encodeFrame(UP.status, 0, 0, body);
};

async function rogue(): Promise<Rogue> {
  const directory = await mkdtemp(join(tmpdir(), 'cloister-rogue-'));
  const socketPath = join(directory, 'control.sock');
  const lost: string[] = [];
  let nonces: Nonces = { current: randomBytes(32).toString('hex'), previous: null };
  let tell: (reason: string) => void = () => undefined;
  const failed = new Promise<string>((resolve) => {
    tell = resolve;
  });
  let hear: () => void = () => undefined;
  const heard = new Promise<void>((resolve) => {
    hear = resolve;
  });
  const link = new SandboxLink({ sandboxId: 'sb_rogue', clock: systemClock, log: silent, onFailed: (reason) => tell(reason) });
  const saveNonces = async (next: Nonces): Promise<void> => {
    nonces = next;
  };
  const listener = await ControlListener.open({ socketPath, nonces, saveNonces, link, clock: systemClock, log: silent });
  const sockets: Socket[] = [];
  const hello = (nonce: Buffer, version = 1): Socket => {
    const socket = connect(socketPath);
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.resume();
    socket.write(encodeFrame(UP.hello, 0, 0, Buffer.concat([u32(version), nonce])));
    return socket;
  };
  return {
    link,
    socketPath,
    failed,
    lost,
    heard,
    hello,
    nonces: () => nonces,
    async ready() {
      const socket = hello(Buffer.from(nonces.current, 'hex'));
      await new Promise((resolve) => socket.once('data', resolve));
      socket.write(encodeFrame(UP.status, 0, 0));
      await link.waitUntilUp({ timeoutMs: 2_000 });
      link.start(
        1,
        { argv: ['x'], env: {}, cwd: '/', stdin: 'pipe', wallMs: 0, idleMs: 0, graceMs: 0 },
        {
          started: () => undefined,
          output: () => hear(),
          exited: () => undefined,
          stdinTaken: () => undefined,
          gone: () => undefined,
          resumed: () => 0,
          unknown: () => undefined,
          lost: (reason) => lost.push(reason),
        },
      );
      link.stdin(1, Buffer.alloc(10), false);
      socket.write(encodeFrame(UP.started, 0, 1, u32(7)));
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      link.close();
      await listener.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const SINS: readonly { readonly claim: string; readonly frames: readonly Buffer[]; readonly reason: string }[] = [
  { claim: 'garbage', frames: [Buffer.alloc(4096, 0xa5)], reason: 'unknown or not allowed' },
  { claim: 'a second STATUS', frames: [encodeFrame(UP.status, 0, 0)], reason: 'STATUS must come first and once' },
  {
    claim: 'output of an exec nobody started',
    frames: [encodeFrame(UP.output, 0, 9, Buffer.concat([u64(0), Buffer.from('x')]))],
    reason: 'exec 9, which is unknown',
  },
  { claim: 'output that leaves a hole', frames: [output(5, 1)], reason: 'output at 5 where 0 is due' },
  { claim: 'output said twice', frames: [output(0, 5), output(0, 5)], reason: 'output at 0 where 5 is due' },
  {
    claim: 'output beyond its window',
    frames: Array.from({ length: 17 }, (_, index) => output((index * WINDOW_BYTES) / 16, WINDOW_BYTES / 16)),
    reason: 'output beyond its window',
  },
  { claim: 'STARTED twice', frames: [encodeFrame(UP.started, 0, 1, u32(7))], reason: 'STARTED twice' },
  { claim: 'EXIT twice', frames: [exit(0), exit(0)], reason: 'EXIT twice' },
  { claim: 'output after EXIT', frames: [exit(0), output(0, 1)], reason: 'output after EXIT' },
  { claim: 'an EXIT that miscounts the output', frames: [output(0, 3), exit(7)], reason: 'EXIT counts 7 bytes of output, 3 came' },
  { claim: 'an EXIT for an unknown reason', frames: [exit(0, (body) => (body[4] = 99))], reason: 'unknown reason or stage' },
  {
    claim: 'an EXIT with more stderr than output',
    frames: [output(0, 3), exit(3, (body) => writeU64(body, 4, 16))],
    reason: 'more stderr than output',
  },
  { claim: 'EXIT_GONE before EXIT', frames: [encodeFrame(UP.exitGone, 0, 1)], reason: 'EXIT_GONE before EXIT' },
  {
    claim: 'stdin credit for what was not sent',
    frames: [encodeFrame(UP.stdinCredit, 0, 1, u64(11))],
    reason: 'stdin credit 11 where 0 to 10 can be',
  },
  {
    claim: 'stdin credit that never ends',
    frames: [encodeFrame(UP.stdinCredit, 0, 1, u64(4)), encodeFrame(UP.stdinCredit, 0, 1, u64(4))],
    reason: 'stdin credit repeated',
  },
  { claim: 'a PONG without a PING', frames: [encodeFrame(UP.pong, 0, 0, u64(1))], reason: 'no PING asked for' },
  {
    claim: 'a SELF_REPORT that nobody asked for',
    frames: [encodeFrame(UP.selfReport, 0, 0, Buffer.alloc(24))],
    reason: 'nobody asked for',
  },
  {
    claim: 'the end of an unknown file request',
    frames: [encodeFrame(UP.fileEnd, 0, 3, Buffer.alloc(8))],
    reason: 'file request 3, which is unknown',
  },
  { claim: 'data of an unknown dial', frames: [encodeFrame(UP.dialData, FLAG.eof, 3)], reason: 'dial 3, which is unknown' },
];

describe('a hostile init', () => {
  test.each(SINS)('that sends $claim fails its sandbox and nothing else', async ({ frames, reason }) => {
    await using it = await rogue();
    const socket = await it.ready();
    for (const frame of frames) socket.write(frame);
    expect(await it.failed).toContain(reason);
    expect(it.link.state).toBe('failed');
    expect(() =>
      it.link.start(2, { argv: ['x'], env: {}, cwd: '/', stdin: 'none', wallMs: 0, idleMs: 0, graceMs: 0 }, {} as never),
    ).toThrow('Cannot start the command');
  });

  test('that violates the protocol loses its commands exactly once, with the reason', async () => {
    await using it = await rogue();
    const socket = await it.ready();
    socket.write(output(3, 1));
    await it.failed;
    it.link.close('later');
    expect(it.lost).toEqual(['exec 1: output at 3 where 0 is due']);
  });

  test('that repeats an EXIT which never came on this connection is believed once', async () => {
    await using it = await rogue();
    const first = await it.ready();
    first.write(output(0, 5));
    await it.heard;
    const second = it.hello(Buffer.from(it.nonces().current, 'hex'));
    await new Promise((resolve) => second.once('data', resolve));
    second.write(Buffer.concat([status(0, 5, 1), output(0, 5), exit(5), exit(5)]));
    await Promise.race([it.failed, new Promise((resolve) => setTimeout(resolve, 200))]);
    expect(it.link.state).toBe('up');
  });

  test.each([
    { claim: 'forgets a running command over a reconnect', frames: [encodeFrame(UP.status, 0, 0)], reason: 'has forgotten it' },
    { claim: 'claims credit that was never given', frames: [status(6, 6)], reason: 'contradicts the credit given' },
    {
      claim: 'sends the same bytes for ever after a reconnect',
      frames: [status(0, 5), ...Array.from({ length: 40 }, () => [output(0, 65_536)]).flat()],
      reason: 'where 65536 is due',
    },
    {
      claim: 'lists a command twice',
      frames: [encodeFrame(UP.status, 0, 0, Buffer.concat([status(0, 0).subarray(12), status(0, 0).subarray(12)]))],
      reason: 'malformed',
    },
  ])('that $claim fails', async ({ frames, reason }) => {
    await using it = await rogue();
    const first = await it.ready();
    first.write(output(0, 5));
    await it.heard;
    const second = it.hello(Buffer.from(it.nonces().current, 'hex'));
    await new Promise((resolve) => second.once('data', resolve));
    second.write(Buffer.concat(frames));
    expect(await it.failed).toContain(reason);
  });

  test('that runs what nobody knows is told to end it', async () => {
    await using it = await rogue();
    const socket = it.hello(Buffer.from(it.nonces().current, 'hex'));
    const seen: number[] = [];
    socket.on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; at += 12 + chunk.readUInt32LE(at)) seen.push(chunk[at + 4] ?? 0);
    });
    await new Promise((resolve) => socket.once('data', resolve));
    socket.write(Buffer.concat([status(0, 3), output(0, 3), exit(3), encodeFrame(UP.exitGone, 0, 1)]));
    await eventually(
      () => seen.length,
      (count) => count >= 5,
    );
    expect(it.link.state).toBe('up');
    expect(seen).toEqual([0x01, 0x05, 0x04, 0x07, 0x07]);
  });
});

describe('the control listener', () => {
  const ended = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

  test.each([
    { claim: 'another nonce', nonce: () => randomBytes(32), version: 1 },
    { claim: 'another version', nonce: (nonces: Nonces) => Buffer.from(nonces.current, 'hex'), version: 2 },
  ])('drops a connection with $claim', async ({ nonce, version }) => {
    await using it = await rogue();
    await ended(it.hello(nonce(it.nonces()), version));
    expect(it.link.state).toBe('connecting');
  });

  test('takes the nonce before the last once more, and no older one', async () => {
    await using it = await rogue();
    const first = Buffer.from(it.nonces().current, 'hex');
    await it.ready();
    const again = it.hello(first);
    await new Promise((resolve) => again.once('data', resolve));
    const old = it.nonces();
    expect(old.previous).toBe(first.toString('hex'));
    const third = it.hello(Buffer.from(old.current, 'hex'));
    await new Promise((resolve) => third.once('data', resolve));
    await ended(it.hello(first));
  });

  test('lets at most 8 connections wait, and none of them for ever', async () => {
    await using it = await rogue();
    const silentOnes = Array.from({ length: 8 }, () =>
      connect(it.socketPath)
        .on('error', () => undefined)
        .resume(),
    );
    await Promise.all(silentOnes.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    const ninth = connect(it.socketPath)
      .on('error', () => undefined)
      .resume();
    await ended(ninth);
    expect(silentOnes.some((socket) => socket.closed)).toBe(false);
    await Promise.all(silentOnes.map(ended));
    await it.ready();
  });
});
