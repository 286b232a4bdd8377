// A command's output and its one result survive the loss of sockets and of the daemon: every line once, in order.

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cloister, type Execution } from '../../client/index.ts';
import { type CuttingProxy, startCuttingProxy } from '../support/cutting-proxy.ts';
import { spawnTestDaemon, type SpawnedDaemon } from '../support/test-daemon.ts';

/** The load form lasts a minute each. */
const SECONDS = process.env['CLOISTER_TEST_LOAD'] === '1' ? 60 : 15;
const CUTS = 50;
const KILLS = 3;

/** Numbered lines at an even pace, each with a kilobyte behind its number; every tenth on stderr. */
const PRINT_LINES = [
  'import sys, time',
  'start = time.monotonic(); n = 0',
  'while time.monotonic() - start < float(sys.argv[1]):',
  '  n += 1',
  '  print(n, "x" * 1000, file=sys.stderr if n % 10 == 0 else sys.stdout, flush=True)',
  '  time.sleep(0.002)',
  'print("last", n); sys.exit(7)',
].join('\n');

let daemon: SpawnedDaemon;
let proxy: CuttingProxy;

beforeAll(async () => {
  proxy = await startCuttingProxy(() => Number(new URL(daemon.url).port));
  daemon = await spawnTestDaemon({ config: { origins: [`http://127.0.0.1:${proxy.port}`] } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

interface Lines {
  readonly stdout: string;
  readonly stderr: string;
}

async function read(execution: Execution): Promise<Lines> {
  const parts = { stdout: [] as string[], stderr: [] as string[] };
  for await (const { stream, text } of execution) parts[stream].push(text);
  return { stdout: parts.stdout.join(''), stderr: parts.stderr.join('') };
}

/** Every line once and in order, on the stream it was printed to. */
function expectWhole({ stdout, stderr }: Lines): void {
  const count = Number(/last (\d+)\n$/.exec(stdout)?.[1]);
  expect(count).toBeGreaterThan(SECONDS * 50);
  const lines = Array.from({ length: count }, (_, n) => n + 1);
  const numbers = (text: string): number[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => (/^\d+ x{1000}$/.test(line) ? Number.parseInt(line, 10) : Number.NaN));
  expect(numbers(stdout.replace(/last \d+\n$/, ''))).toEqual(lines.filter((n) => n % 10 !== 0));
  expect(numbers(stderr)).toEqual(lines.filter((n) => n % 10 === 0));
}

describe('while a command prints, and its client is', () => {
  test(`cut off ${CUTS} times at random, every line arrives once and in order, with one result`, async () => {
    const client = await Cloister.connect({ url: `ws://127.0.0.1:${proxy.port}`, token: await daemon.token('acme') });
    const sandbox = await client.open({ session: 'cut' });
    const execution = sandbox.exec(['python3', '-c', PRINT_LINES, String(SECONDS)]);
    let results = 0;
    void execution.result.then(() => (results += 1));
    const reading = read(execution);
    let cuts = 0;
    let isOver = false;
    void reading.finally(() => (isOver = true)).catch(() => undefined);
    while (cuts < CUTS) {
      await sleep(randomInt(1, Math.floor((SECONDS * 1000 * 1.2) / CUTS)));
      if (isOver) break;
      if (proxy.cut() > 0) cuts += 1;
    }
    expectWhole(await reading);
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 7 });
    expect([results, cuts]).toEqual([1, CUTS]);
    expect(proxy.connections).toBeGreaterThan(CUTS / 2);
    expect(await sandbox.exec('echo well')).toMatchObject({ stdout: 'well\n' });
    await client.close();
  });

  test(`without its daemon, killed ${KILLS} times and started again, every line arrives once and in order, with one result`, async () => {
    const { url, stateDir } = daemon;
    const client = await Cloister.connect({ url, token: await daemon.token('acme') });
    const sandbox = await client.open({ session: 'killed' });
    const execution = sandbox.exec(['python3', '-c', PRINT_LINES, String(SECONDS + 6 * KILLS)]);
    let results = 0;
    void execution.result.then(() => (results += 1));
    const reading = read(execution);
    for (let kills = 0; kills < KILLS; kills += 1) {
      await sleep(randomInt(500, 2500));
      await daemon.crash();
      await sleep(randomInt(0, 500));
      daemon = await spawnTestDaemon({ stateDir, listen: new URL(url).host });
    }
    expectWhole(await reading);
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 7 });
    expect(results).toBe(1);
    expect(await sandbox.exec('echo well')).toMatchObject({ stdout: 'well\n' });
    await client.close();
  });
}, 180_000);
