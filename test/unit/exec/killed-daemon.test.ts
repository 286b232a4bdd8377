import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { FakeInit } from '../../../daemon/testing/fake-init.ts';

const CHILD = join(import.meta.dirname, 'killed-daemon-child.ts');
const KILLS = [5, 300, 0, 150];
const BLOCK = 1_000;
const LINES = BLOCK * (KILLS.length + 1);
/** Goes on to the next block of lines when the test says so. */
const SCRIPT = `i=0; while [ $i -lt ${LINES} ]; do echo "this is line number $i of the output"; i=$((i+1)); if [ $((i % ${BLOCK})) -eq 0 ]; then while [ ! -e go-$i ]; do sleep 0.02; done; fi; done; exit 6`;

/** Runs a daemon until it says the end, or kills it with SIGKILL some time after it is up. */
async function daemon(
  directory: string,
  killAfterMs: number | null,
): Promise<{ end: { result: { outcome: string; exitCode: number }; text: string } | null }> {
  const child = spawn(execPath, ['--import', 'tsx', CHILD, directory, 'job', SCRIPT], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  let end: { kind: string; result: { outcome: string; exitCode: number }; text: string } | null = null;
  for await (const line of createInterface({ input: child.stdout })) {
    const message = JSON.parse(line) as { up?: number; kind: string; result: { outcome: string; exitCode: number }; text: string };
    if (message.up === undefined) end = message;
    else if (killAfterMs !== null) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  }
  await exited;
  return { end };
}

test('a daemon that is killed again and again loses and doubles no line and runs the command once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cloister-killed-'));
  const nonce = randomBytes(32);
  await mkdir(join(directory, 'ws'));
  await writeFile(join(directory, 'nonces.json'), JSON.stringify({ current: nonce.toString('hex'), previous: null }));
  const init = new FakeInit({ socketPath: join(directory, 'control.sock'), nonce, workspace: join(directory, 'ws') });
  try {
    init.run();
    for (const [index, killAfterMs] of KILLS.entries()) {
      const killed = daemon(directory, killAfterMs);
      if (index % 2 === 0) await killed;
      await writeFile(join(directory, 'ws', `go-${BLOCK * (index + 1)}`), '');
      expect((await killed).end).toBeNull();
    }
    await writeFile(join(directory, 'ws', `go-${LINES}`), '');
    const { end } = await daemon(directory, null);
    expect(end).toMatchObject({ kind: 'end', result: { outcome: 'exited', exitCode: 6 } });
    expect(end?.text).toBe(Array.from({ length: LINES }, (_, index) => `this is line number ${index} of the output\n`).join(''));
    expect(init.starts).toBe(1);
  } finally {
    await init[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }
});
