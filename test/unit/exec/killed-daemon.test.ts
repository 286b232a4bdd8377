import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import type { SandboxId } from '../../../client/protocol/names.ts';
import { SecretStore } from '../../../daemon/secrets/secret-store.ts';
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
  script: string,
  more: readonly string[],
): Promise<{ end: { result: { outcome: string; exitCode: number }; text: string } | null }> {
  const child = spawn(execPath, ['--import', 'tsx', CHILD, directory, 'job', script, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
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

const VALUE = 'hunter2-hunter2-hunter2';
test.each<[string, string, string, string[]]>([
  ['loses and doubles no line and runs the command once', '', '', []],
  ['nor does it show a secret that was cut in two by its death', VALUE, '[redacted:TOKEN]', ['secrets']],
])('a daemon that is killed again and again %s', async (_, printed, seen, more) => {
  const script = SCRIPT.replace('of the output', `of the output ${printed}`);
  const directory = await mkdtemp(join(tmpdir(), 'cloister-killed-'));
  const nonce = randomBytes(32);
  await mkdir(join(directory, 'ws'));
  await writeFile(join(directory, 'nonces.json'), JSON.stringify({ current: nonce.toString('hex'), previous: null }));
  if (more.length > 0) {
    const secrets = await SecretStore.open(directory);
    await (await secrets.of('sb' as SandboxId)).set('TOKEN', { value: VALUE });
    secrets.detach();
  }
  const init = new FakeInit({ socketPath: join(directory, 'control.sock'), nonce, workspace: join(directory, 'ws') });
  try {
    init.run();
    for (const [index, killAfterMs] of KILLS.entries()) {
      const killed = daemon(directory, killAfterMs, script, more);
      if (index % 2 === 0) await killed;
      await writeFile(join(directory, 'ws', `go-${BLOCK * (index + 1)}`), '');
      expect((await killed).end).toBeNull();
    }
    await writeFile(join(directory, 'ws', `go-${LINES}`), '');
    const { end } = await daemon(directory, null, script, more);
    expect(end).toMatchObject({ kind: 'end', result: { outcome: 'exited', exitCode: 6 } });
    expect(end?.text).toBe(Array.from({ length: LINES }, (_, index) => `this is line number ${index} of the output ${seen}\n`).join(''));
    expect(init.starts).toBe(1);
    if (more.length > 0) expect(await textOfAll(directory)).not.toContain(VALUE.slice(0, 12));
  } finally {
    await init[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }
});

/** Every byte that the daemon has left on the disk, but for the command it was asked to run. */
async function textOfAll(directory: string): Promise<string> {
  const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter(
    (entry) => entry.isFile() && !entry.name.endsWith('.jsonl'),
  );
  const texts = await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'latin1')));
  return texts.join('');
}
