// A tenant that takes all it can: it gets its own share and no more, another tenant's command still answers, and so
// does its own sandbox afterwards.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, ExecResult, Sandbox } from '../../client/index.ts';
import { encodeFrame, FRAME_KIND } from '../../client/protocol/index.ts';
import { eventually } from '../support/eventually.ts';
import { processesOf, residentBytes } from '../support/host-view.ts';
import { RawClient } from '../support/raw-client.ts';
import { spawnTestDaemon, type SpawnedDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;
const LIMITS = { memoryBytes: 192 * MIB, pids: 64, diskBytes: 64 * MIB, tmpBytes: 16 * MIB, cpus: 0.5 };

let daemon: SpawnedDaemon;
let mallory: Cloister;
let attacked: Sandbox;
let bystander: Sandbox;

beforeAll(async () => {
  // The floor would refuse these attacks before they start; here the kernel has to hold them.
  daemon = await spawnTestDaemon({ config: { permissions: { hardFloor: false } } });
  mallory = await daemon.connect('mallory');
  attacked = await mallory.open({ session: 'attack', limits: LIMITS });
  bystander = await (await daemon.connect('acme')).open({ session: 'bystander', limits: { memoryBytes: 128 * MIB } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});
afterEach(async () => {
  expect(await attacked.exec('echo recovered', { timeoutMs: 30_000 })).toMatchObject({ outcome: 'exited', stdout: 'recovered\n' });
  await attacked.exec('rm -rf /workspace/* /tmp/* /dev/shm/*', { timeoutMs: 30_000 });
});

/** While the attack runs, the other tenant's command answers. */
async function besides(attack: PromiseLike<ExecResult>): Promise<ExecResult> {
  const answers = [];
  for (let n = 0; n < 3; n += 1) answers.push((await bystander.exec(['echo', String(n)])).stdout);
  expect(answers).toEqual(['0\n', '1\n', '2\n']);
  return attack;
}

describe('processes', () => {
  test('a fork bomb is bounded by the process limit and ends with its command', async () => {
    const result = await besides(attacked.exec('bomb() { bomb | bomb & }; bomb; sleep 600', { timeoutMs: 3000 }));
    expect(result.outcome).toMatch(/^(timedOut|killed)$/);
    expect((await processesOf(daemon.driver, attacked.id)).length).toBeLessThanOrEqual(LIMITS.pids);
    const left = await eventually(
      () => processesOf(daemon.driver, attacked.id),
      (all) => all.every(({ command }) => command.includes('cloister-init')),
    );
    expect(left.filter(({ command }) => !command.includes('cloister-init'))).toEqual([]);
  });

  test('a storm of zombies is reaped', async () => {
    const result = await besides(
      attacked.exec('for n in $(seq 1 300); do (setsid sh -c "sleep 0.01 & exit" &) ; done; sleep 1; echo done', { timeoutMs: 30_000 }),
    );
    expect(result.stdout).toContain('done');
    expect(
      await eventually(
        async () => (await processesOf(daemon.driver, attacked.id)).filter(({ state }) => state === 'Z').length,
        (count) => count === 0,
      ),
    ).toBe(0);
  });

  test('kill -9 -1 ends what the tenant runs, is never a success, and nothing else', async () => {
    const result = await besides(attacked.exec('kill -9 -1; sleep 600', { timeoutMs: 20_000 }));
    expect(['signalled', 'killed']).toContain(result.outcome);
  });

  test('SIGSTOP of everything stops no limit', async () => {
    const result = await besides(attacked.exec('sleep 600 & kill -STOP -1; kill -STOP $$', { timeoutMs: 2000 }));
    expect(['timedOut', 'killed']).toContain(result.outcome);
  });
});

describe('memory', () => {
  test('an allocation over the limit takes the command and not the sandbox', async () => {
    const result = await besides(
      attacked.exec(['python3', '-c', 'x = []\nwhile True: x.append(bytearray(1 << 20))'], { timeoutMs: 30_000 }),
    );
    expect(result.outcome).toBe('oomKilled');
  });

  test('many allocating at once take the commands and not the sandbox', async () => {
    const result = await besides(
      attacked.exec('for n in 1 2 3 4 5 6; do python3 -c "x = bytearray(150 << 20); import time; time.sleep(2)" & done; wait; echo end', {
        timeoutMs: 30_000,
      }),
    );
    expect(result.outcome).toMatch(/^(exited|oomKilled)$/);
    expect(result.notes.some(({ code }) => code === 'oomKill') || result.outcome === 'oomKilled').toBe(true);
  });

  test.each([
    ['/tmp', 16],
    ['/dev/shm', 24],
  ])('%s ends at its size', async (directory, mebibytes) => {
    const result = await besides(
      attacked.exec(`dd if=/dev/zero of=${directory}/fill bs=1M count=500; stat -c %s ${directory}/fill`, { timeoutMs: 30_000 }),
    );
    expect(result.stderr).toContain('No space left');
    expect(Number(result.stdout)).toBeLessThanOrEqual(mebibytes * MIB);
  });

  test('a million empty files end at the inodes of /tmp', async () => {
    const result = await besides(
      attacked.exec(
        [
          'python3',
          '-c',
          'n=0\ntry:\n  while n < 1000000:\n    open(f"/tmp/{n}","w").close(); n+=1\nexcept OSError as e: print(n, e.strerror)',
        ],
        { timeoutMs: 30_000 },
      ),
    );
    expect(result.stdout).toContain('No space left');
  });
});

describe('disk', () => {
  test("one file ends at the workspace's quota", async () => {
    const result = await besides(attacked.exec('dd if=/dev/zero of=big bs=1M count=500 conv=fsync; stat -c %s big', { timeoutMs: 60_000 }));
    expect(result.stderr).toMatch(/No space left|Disk quota exceeded|File too large/);
    expect(Number(result.stdout)).toBeLessThanOrEqual(LIMITS.diskBytes);
  });

  test('many files do as well, and the file API says so', async () => {
    const result = await besides(
      attacked.exec('for n in $(seq 1 40); do head -c 4194304 /dev/urandom > f$n || break; done; sync; du -sm . | cut -f1', {
        timeoutMs: 60_000,
      }),
    );
    expect(result.stderr).toMatch(/No space left|Disk quota exceeded/);
    expect(Number(result.stdout)).toBeLessThanOrEqual(64);
    await expect(attacked.files.write('more', Buffer.alloc(16 * MIB, 1))).rejects.toMatchObject({ code: 'WORKSPACE_FULL' });
    await bystander.files.write('fine', 'fine');
  });

  test('empty files end there, too', async () => {
    const small = await mallory.open({ session: 'inodes', limits: { diskBytes: 2 * MIB }, workspace: { retain: 'delete' } });
    const result = await besides(
      small.exec(
        [
          'python3',
          '-c',
          'import os\nn=0\ntry:\n  while n < 200000:\n    open("f"*200+str(n),"w").close(); n+=1\n    if n % 2000 == 0: os.sync()\nexcept OSError as e: print(n, e.strerror)',
        ],
        { timeoutMs: 60_000 },
      ),
    );
    expect(result.stdout).toMatch(/No space left|Disk quota exceeded/);
    await small.close();
  });

  test('a sparse giant is refused', async () => {
    const result = await attacked.exec('truncate -s 1T giant; echo $?');
    expect(result.stdout).not.toBe('0\n');
  });
});

test('descriptors end at their limit', async () => {
  const result = await besides(
    attacked.exec(['python3', '-c', 'import os\nn=0\ntry:\n  while True: os.dup(0); n+=1\nexcept OSError as e: print(n, e.strerror)'], {
      timeoutMs: 30_000,
    }),
  );
  expect(result.stdout).toMatch(/^\d{3,5} Too many open files/);
});

describe("the daemon's memory", () => {
  test('does not grow with a flood that its client never reads', async () => {
    const before = await residentBytes(daemon.pid);
    const flood = attacked.exec(['yes', 'a line that nobody reads'], { timeoutMs: 600_000 });
    const chunks = flood[Symbol.asyncIterator]();
    await chunks.next();
    for (let n = 0; n < 40; n += 1) await bystander.exec('true');
    expect((await residentBytes(daemon.pid)) - before).toBeLessThan(64 * MIB);
    await flood.kill();
    await chunks.return?.(undefined as never);
    expect((await flood).outcome).toBe('killed');
  });

  test('grows by less than 64 MiB for a reader of 1 MiB a second of a stream of 2 GB, and the abort ends the command', async () => {
    const before = await residentBytes(daemon.pid);
    const abort = new AbortController();
    const flood = attacked.exec('yes 0123456789abcdef | head -c 2000000000', { signal: abort.signal });
    let bytes = 0;
    let peak = before;
    for await (const chunk of flood) {
      const ahead = bytes;
      bytes += chunk.bytes.byteLength;
      if (Math.floor(ahead / (MIB / 4)) === Math.floor(bytes / (MIB / 4))) continue;
      await sleep(250);
      peak = Math.max(peak, await residentBytes(daemon.pid));
      if (bytes < 3 * MIB) continue;
      abort.abort();
      break;
    }
    expect(peak - before).toBeLessThan(64 * MIB);
    expect((await flood).outcome).toBe('killed');
    expect(
      await eventually(
        () => processesOf(daemon.driver, attacked.id),
        (all) => !all.some(({ command }) => command.startsWith('yes')),
      ),
    ).not.toContainEqual(expect.objectContaining({ command: expect.stringMatching(/^yes/) as string }));
  });
});

describe('a client that stops reading its socket', () => {
  test.each<[string, (raw: RawClient) => Promise<void>]>([
    [
      'and asks for eight floods without a limit',
      async (raw) => {
        for (let stream = 1; stream <= 8; stream += 1) {
          void raw.request('exec.start', { sandbox: attacked.id, execId: `unread-${stream}`, stream, command: 'yes', background: true });
          raw.send(encodeFrame(FRAME_KIND.credit, 0, stream, 2 ** 40));
        }
        for (let n = 0; n < 40; n += 1) await bystander.exec('true');
      },
    ],
    [
      'and asks for answers without end',
      async (raw) => {
        for (let id = 1000; id < 100_000 && raw.socket.readyState === raw.socket.OPEN; id += 1) {
          raw.send(JSON.stringify({ id, op: 'x'.repeat(500), params: {} }));
          while (raw.socket.bufferedAmount > MIB && raw.socket.readyState === raw.socket.OPEN) await sleep(1);
        }
      },
    ],
    [
      'and pings without end',
      async (raw) => {
        for (let n = 0; n < 300_000 && raw.socket.readyState === raw.socket.OPEN; n += 1) {
          raw.socket.ping(Buffer.alloc(125));
          while (raw.socket.bufferedAmount > MIB && raw.socket.readyState === raw.socket.OPEN) await sleep(1);
        }
      },
    ],
    [
      'and sends a message in 200,000 pieces',
      async (raw) => {
        for (let n = 0; n < 200_000 && raw.socket.readyState === raw.socket.OPEN; n += 1) {
          raw.socket.send('x', { fin: false });
          if (n % 10_000 === 0) await sleep(1);
        }
      },
    ],
  ])('%s costs the daemon less than 96 MiB', async (_, attack) => {
    const before = await residentBytes(daemon.pid);
    const raw = await RawClient.greet(daemon.url, { token: await daemon.token('mallory') });
    expect(await raw.codeOf('open', { session: 'attack', role: 'participant' })).toBe('no error');
    raw.stopReading();
    await attack(raw);
    expect((await residentBytes(daemon.pid)) - before).toBeLessThan(96 * MIB);
    expect((await bystander.exec('echo fine')).stdout).toBe('fine\n');
    raw.end();
    for (const { id, state } of await attacked.execs()) if (state === 'running') await attacked.attach(id).kill();
  });
});

test('a sandbox that is full of everything is taken away whole', async () => {
  const full = await mallory.open({ session: 'full', limits: LIMITS, workspace: { retain: 'delete' } });
  await full.exec(
    'head -c 100000000 /dev/zero > big; head -c 100000000 /dev/zero > /tmp/big; mkdir -p $(seq -s / 1 200); for n in $(seq 1 60); do (trap "" TERM; sleep 600) > /dev/null 2>&1 & done',
    { timeoutMs: 5000 },
  );
  await full.close();
  expect((await daemon.containers()).length).toBe(2);
});
