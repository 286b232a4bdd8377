// A client that vanishes: what it left behind ends after its grace, unless it comes back, and then it has missed nothing.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cloister } from '../../client/index.ts';
import { eventually } from '../support/eventually.ts';
import { processesWith } from '../support/host-view.ts';
import { startTcpRelay, type TcpRelay } from '../support/tcp-relay.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;
const PROGRAM = join(import.meta.dirname, '../support/client-program.ts');

let relay: TcpRelay;
let daemon: TestDaemon;

beforeAll(async () => {
  relay = await startTcpRelay();
  daemon = await startTestDaemon({ config: { origins: [relay.origin] } });
  relay.leadTo(daemon.url);
});
afterAll(async () => {
  await relay[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

async function startClientProgram(
  session: string,
  graceMs: number,
): Promise<{ readonly client: ChildProcess; readonly sandboxId: string }> {
  const client = spawn(process.execPath, ['--import', 'tsx', PROGRAM, daemon.url, await daemon.token('acme'), session, String(graceMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: client.stdout })) return { client, sandboxId: line.replace('started ', '') };
  throw new Error('the client program ended before it had started anything');
}

test('SIGKILL of a client ends its foreground command after disconnectGraceMs, and its background command goes on', async () => {
  const { client, sandboxId } = await startClientProgram('killed', 2000);
  expect((await processesWith(daemon.driver, sandboxId, '-work')).length).toBe(2);
  client.kill('SIGKILL');
  await once(client, 'exit');
  const left = await eventually(
    () => processesWith(daemon.driver, sandboxId, '-work'),
    (all) => all.length < 2,
    5000,
  );
  expect(left.map(({ command }) => command)).toEqual(['background-work 600']);

  const heir = await daemon.connect('acme');
  const sandbox = await heir.open({ session: 'killed', takeover: true });
  expect(await sandbox.attach('foreground')).toMatchObject({ outcome: 'killed', by: 'disconnect' });
  const background = sandbox.attach('background');
  await background.kill();
  expect(await background).toMatchObject({ outcome: 'killed', by: 'caller' });
  await sandbox.close({ workspace: 'delete' });
});

describe('a client that loses its socket and comes back', () => {
  let client: Cloister;

  beforeAll(async () => {
    client = await Cloister.connect({
      url: relay.url,
      token: await daemon.token('acme'),
      disconnectGraceMs: 5000,
      reconnect: { minDelayMs: 10, maxDelayMs: 50 },
    });
  });
  afterAll(async () => {
    await client.close();
  });

  test('keeps its foreground command, and sees every line once and one end', async () => {
    await using sandbox = await client.open({ session: 'lines', workspace: { retain: 'delete' } });
    const execution = sandbox.exec('for n in $(seq 1 300); do echo "line $n"; sleep 0.01; done');
    let text = '';
    let cuts = 0;
    for await (const chunk of execution) {
      text += chunk.text;
      if (cuts < 5 && text.includes(`line ${(cuts + 1) * 40}\n`)) cuts += relay.cut();
    }
    expect(cuts).toBe(5);
    expect(text).toBe(Array.from({ length: 300 }, (_, n) => `line ${n + 1}\n`).join(''));
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 0 });
  });

  test('keeps a flood of output whole', async () => {
    await using sandbox = await client.open({ session: 'flood', workspace: { retain: 'delete' } });
    const hash = createHash('sha256');
    let bytes = 0;
    let next = 4 * MIB;
    for await (const chunk of sandbox.exec(['sh', '-c', 'yes 0123456789abcdef | head -c 33554432'])) {
      hash.update(chunk.bytes);
      bytes += chunk.bytes.byteLength;
      if (bytes >= next) {
        next += 8 * MIB;
        relay.cut();
      }
    }
    expect(bytes).toBe(32 * MIB);
    expect(hash.digest('hex')).toBe(
      createHash('sha256')
        .update(Buffer.alloc(32 * MIB, '0123456789abcdef\n'))
        .digest('hex'),
    );
  });

  test('has its stdin taken whole', async () => {
    await using sandbox = await client.open({ session: 'stdin', workspace: { retain: 'delete' } });
    const bytes = randomBytes(6 * MIB);
    async function* slowly(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.byteLength; at += 512 * 1024) {
        yield bytes.subarray(at, at + 512 * 1024);
        if (at === 2 * MIB || at === 4 * MIB) relay.cut();
      }
    }
    expect((await sandbox.exec('sha256sum', { stdin: slowly() })).stdout.slice(0, 64)).toBe(
      createHash('sha256').update(bytes).digest('hex'),
    );
  });

  test('gets the answer of a command that ended while it was away', async () => {
    await using sandbox = await client.open({ session: 'away', workspace: { retain: 'delete' } });
    const execution = sandbox.exec('echo before; sleep 0.2; echo after; exit 4');
    for await (const chunk of execution) if (chunk.text.includes('before')) relay.cut();
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 4, stdout: 'before\nafter\n' });
  });

  test('never starts a command twice', async () => {
    await using sandbox = await client.open({ session: 'once', workspace: { retain: 'delete' } });
    const all = Array.from({ length: 10 }, (_, n) => sandbox.exec(`echo ${n} >> started.txt`));
    await sleep(1);
    relay.cut();
    expect((await Promise.all(all)).map(({ outcome }) => outcome)).toEqual(Array.from({ length: 10 }, () => 'exited'));
    expect((await sandbox.files.readText('started.txt')).trim().split('\n').sort()).toEqual(
      Array.from({ length: 10 }, (_, n) => String(n)),
    );
  });

  test('leaves no half file where its upload was cut', async () => {
    await using sandbox = await client.open({ session: 'upload', workspace: { retain: 'delete' } });
    await sandbox.files.write('target', 'old');
    const bytes = randomBytes(4 * MIB);
    async function* cutInTheMiddle(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.byteLength; at += MIB) {
        yield bytes.subarray(at, at + MIB);
        if (at === 2 * MIB) relay.cut();
      }
    }
    await sandbox.files.write('target', cutInTheMiddle()).catch(() => undefined);
    const content = await sandbox.files.read('target');
    expect(['old', createHash('sha256').update(bytes).digest('hex')]).toContain(
      content.byteLength === 3 ? 'old' : createHash('sha256').update(content).digest('hex'),
    );
    expect((await sandbox.files.list('.')).entries.map(({ path }) => path)).toEqual(['target']);
  });
});
