// Whether the attack rows have teeth: each row that names a control is run in a sandbox without just that control (where
// several stand one behind the other: without these), and must then succeed. With all of them it fails.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hasPart, type KernelText, readKernelText } from '../../daemon/doctor/attack/kernel-parts.ts';
import type { AttackRow, ControlName } from '../../daemon/doctor/attack/row.ts';
import { ATTACK_ROWS } from '../../daemon/doctor/attack/rows.ts';
import { runCommand } from '../../daemon/workspace/run-command.ts';
import { type GrantedHost, grantedHost } from '../support/granted-sandbox.ts';
import { hostileImage } from '../support/hostile-image.ts';
import { prepareLoose, runLoosened, type Surroundings } from '../support/loosened-sandbox.ts';
import { engineSocket } from '../support/test-daemon.ts';
import { testDriver } from '../support/test-engine.ts';

/** Rows of no control, and what holds instead. */
const HELD_OTHERWISE: Readonly<Record<string, string>> = {
  E07: 'PID 1 is not dumpable, and its environment names nothing: init does both, whatever the container is',
  E18: 'an image cannot hold a socket, and nothing is mounted into the root',
  E28: 'the runtime and init close what they had open',
  E29: 'init goes to the workspace before a command starts',
  E31: 'the kernel links within one mount only',
};
/** Addresses that the rows must not reach, and ports that answer there. */
const FORBIDDEN = ['169.254.169.254/32', '172.17.0.1/32', 'fd00:ec2::254/128'];
const ANSWER = `const net=require("node:net");Promise.all([["::",80],["0.0.0.0",2375],["\\0cloister-test"]].map(([a,p])=>new Promise((r)=>{const s=net.createServer(()=>{});p===undefined?s.listen({path:a},r):s.listen({host:a,port:p},r)}))).then(()=>console.log("up"))`;

const rowsOf = (controls: readonly ControlName[]): readonly AttackRow[] =>
  ATTACK_ROWS.filter((row) => row.controls.join() === controls.join() && (row.needs === undefined || hasPart(kernel, row.needs)));
const SETS = [
  ...new Map(ATTACK_ROWS.filter(({ controls }) => controls.length > 0).map(({ controls }) => [controls.join(), controls])).values(),
];

let kernel: KernelText;
let host: GrantedHost;
let around: Surroundings;
const undo: (() => PromiseLike<unknown>)[] = [];

beforeAll(async () => {
  kernel = await readKernelText();
  const driver = testDriver();
  const image = (await driver.inspectImage(process.env['CLOISTER_TEST_IMAGE'] ?? ''))?.id ?? '';
  host = await grantedHost(driver);
  undo.push(() => host[Symbol.asyncDispose]());
  await prepareLoose(host);
  const other = await driver.createContainer(
    {
      Image: image,
      Entrypoint: ['sleep', 'infinity'],
      HostConfig: { NetworkMode: 'none', Sysctls: { 'net.ipv6.conf.all.disable_ipv6': '0' } },
    },
    `cloister-test-other-${process.pid}`,
  );
  undo.push(() => driver.remove(other, { force: true }));
  await driver.start(other);
  await answerIn((await driver.inspect(other)).State.Pid);
  around = { driver, host, image, hostileImage: await hostileImage(driver, image), other, engineSocket: engineSocket() };
});
afterAll(async () => {
  for (const step of undo.reverse()) await step();
});

/** In the network of that process, and nowhere else. */
async function answerIn(pid: number): Promise<void> {
  const within = ['-t', String(pid), '-n'];
  const ip = (...words: readonly string[]) => runCommand('nsenter', [...within, 'ip', ...words]);
  for (const address of FORBIDDEN) await ip('address', 'add', address, 'dev', 'lo');
  await ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1');
  for (const device of ['eth0', 'eth1']) await ip('link', 'set', device, 'up');
  await ip('address', 'add', '10.0.0.1/24', 'dev', 'eth0');
  const child = spawn('nsenter', [...within, process.execPath, '-e', ANSWER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  undo.push(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await once(child.stdout, 'data');
}

test('with every control on, each row holds in the very container that the controls are taken from', async () => {
  const rows = ATTACK_ROWS.filter(({ controls }) => !controls.includes('init'));
  const outputs = await runLoosened(around, [], rows);
  const broken = rows.filter(({ id, expected }) => !expected.test(outputs.get(id) ?? '')).map(({ id }) => [id, outputs.get(id)]);
  expect(broken).toEqual([]);
});

test.each(SETS.map((controls) => [controls.join(' and '), controls] as const))('without %s', async (_, controls) => {
  const rows = rowsOf(controls);
  const outputs = await runLoosened(around, controls, rows);
  const toothless = rows.filter(({ id, expected }) => expected.test(outputs.get(id) ?? '')).map(({ id }) => [id, outputs.get(id)]);
  expect(toothless).toEqual([]);
});

test('a row without a control says here what holds instead', () => {
  expect(ATTACK_ROWS.filter(({ controls }) => controls.length === 0).map(({ id }) => id)).toEqual(Object.keys(HELD_OTHERWISE));
});
