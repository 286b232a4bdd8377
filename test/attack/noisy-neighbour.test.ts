// A tenant that takes all it can of one thing: nothing that another tenant does fails meanwhile. How fast it still is, is
// the benchmark's (`npm run bench -- --only "neighbour ..."`).

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { ATTACK_COMMAND, ATTACK_FILE, ATTACKER_LIMITS, RESOURCE_ATTACKS } from '../support/resource-attacks.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;
const ROUNDS = 3;

let daemon: TestDaemon;
let mallory: Cloister;
let attacker: Sandbox;
let acme: Cloister;
let neighbour: Sandbox;

beforeAll(async () => {
  daemon = await startTestDaemon();
  mallory = await daemon.connect('mallory');
  attacker = await mallory.open({ session: 'attacker', limits: ATTACKER_LIMITS, workspace: { retain: 'delete' } });
  acme = await daemon.connect('acme');
  neighbour = await acme.open({ session: 'neighbour', limits: { memoryBytes: 128 * MIB }, workspace: { retain: 'delete' } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

test.each(Object.entries(RESOURCE_ATTACKS))('nothing of a neighbour fails beside %s', async (_, program) => {
  await attacker.files.write(ATTACK_FILE, program);
  const attack = attacker.exec(ATTACK_COMMAND, { background: true });
  for await (const chunk of attack) if (chunk.text.includes('up')) break;
  const text = 'x'.repeat(100_000);
  for (let round = 0; round < ROUNDS; round += 1) {
    expect(await neighbour.exec(['sh', '-c', 'cat; echo err >&2; exit 3'], { stdin: 'in' })).toMatchObject({
      outcome: 'exited',
      exitCode: 3,
      stdout: 'in',
      stderr: 'err\n',
      notes: [],
    });
    await neighbour.files.write(`file-${round}`, text);
    expect(await neighbour.files.readText(`file-${round}`)).toBe(text);
    expect((await neighbour.exec(`cp file-${round} /tmp/copy && sort file-${round} /tmp/copy | wc -c`)).stdout).toBe('200002\n');
  }
  expect(attacker.id).not.toBe(neighbour.id);
  await attack.kill('SIGKILL');
  expect((await attack).outcome).toBe('killed');
  expect((await attacker.exec('rm -rf /tmp/w /tmp/fill fill; echo again')).stdout).toBe('again\n');
});

test('a session of another tenant opens beside a burning processor and is closed again', async () => {
  const attack = attacker.exec('while :; do :; done', { background: true });
  const other = await acme.open({ session: 'other', workspace: { retain: 'delete' } });
  expect((await other.exec('echo fine')).stdout).toBe('fine\n');
  await other.close();
  await attack.kill('SIGKILL');
  expect((await attack).outcome).toBe('killed');
});
