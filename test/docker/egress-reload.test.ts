// The operator's word on the network reaches sandboxes that run: what a reload closes is cut and denied at once, and a revert
// gives back what was granted.

import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cloister, type Sandbox } from '../../client/index.ts';
import { egressProcesses } from '../support/egress-processes.ts';
import { eventually } from '../support/eventually.ts';
import { type SpawnedDaemon, spawnTestDaemon } from '../support/test-daemon.ts';

const ADDRESS = '127.81.23.1';
const PORT = 8094;
const TARGET = `${ADDRESS}:${PORT}`;
const UID = 199_911;
const EGRESS = { uid: UID, allowPrivate: ['127.81.23.0/24'] };

let server: Server;
let daemon: SpawnedDaemon;
let operator: Cloister;
let sandbox: Sandbox;
let configFile: string;
let original: Record<string, unknown>;
const open = new Set<Socket>();

beforeAll(async () => {
  server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined).once('close', () => open.delete(socket));
    socket.pipe(socket);
  });
  server.listen(PORT, ADDRESS);
  await once(server, 'listening');
  daemon = await spawnTestDaemon({ config: { egress: EGRESS, permissions: { rules: [{ preset: 'full' }] } } });
  configFile = join(daemon.stateDir, 'test-config.json');
  original = JSON.parse(await readFile(configFile, 'utf8')) as Record<string, unknown>;
  operator = await Cloister.connect({ url: daemon.url, token: await daemon.token(null, { role: 'operator' }) });
  const client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'reload', profile: 'workspace-write', egress: { allow: [TARGET] } });
});
afterAll(async () => {
  await operator.close();
  await daemon[Symbol.asyncDispose]();
  for (const socket of open) socket.destroy();
  server.close();
});

const verdict = async (): Promise<string> => (await sandbox.egress.explain(`http://${TARGET}/`)).verdict;
const until = (wanted: string): Promise<string> => eventually(verdict, (now) => now === wanted);

test.each<[string, string[], Record<string, unknown>, string]>([
  [
    'a rule that denies the host',
    ['permissions'],
    { permissions: { rules: [{ tool: 'egress', domain: { allowlist: [ADDRESS] }, action: 'deny' }, { preset: 'full' }] } },
    `policy.deny:${TARGET}`,
  ],
  ['a blocklist with the host', ['egress.blocklistExtra'], { egress: { ...EGRESS, blocklistExtra: [ADDRESS] } }, `operator:${ADDRESS}`],
  ['a private range that is no longer allowed', ['egress.allowPrivate'], { egress: { uid: UID } }, 'builtin:loopback'],
])('%s cuts what is open, denies what comes, and is taken back', async (_, changed, change, rule) => {
  expect(await until('allow')).toBe('allow');
  const held = sandbox.exec(`(echo ping; sleep 300) | /run/cloister-init connect ${ADDRESS} ${PORT}`, { background: true });
  for await (const chunk of held) if (chunk.text.includes('ping')) break;
  expect(open.size).toBe(1);

  await writeFile(configFile, JSON.stringify({ ...original, ...change }));
  expect((await operator.operations.reloadConfig()).changed).toEqual(changed);
  expect(
    await eventually(
      () => open.size,
      (size) => size === 0,
    ),
    'the tunnel is cut',
  ).toBe(0);
  await held.kill();
  const denied = await sandbox.exec(`timeout 20 /run/cloister-init connect ${ADDRESS} ${PORT} < /dev/null`);
  expect(denied.egress).toMatchObject([{ verdict: 'deny', rule: expect.stringContaining(rule) }]);
  expect(denied.exitCode).toBe(1);

  await operator.operations.revertConfig();
  expect(await until('allow'), 'what was granted holds again').toBe('allow');
});

test('what a reload closed stays closed when the egress process dies', async () => {
  await writeFile(configFile, JSON.stringify({ ...original, egress: { ...EGRESS, blocklistExtra: [ADDRESS] } }));
  await operator.operations.reloadConfig();
  expect(await until('deny')).toBe('deny');
  const [former] = await egressProcesses(UID);
  process.kill(former ?? 0, 'SIGKILL');
  const [next] = await eventually(
    () => egressProcesses(UID),
    ([pid]) => pid !== undefined && pid !== former,
  );
  expect(next).not.toBe(former);
  const answer = await eventually(
    () => verdict().catch(() => 'not there'),
    (now) => now !== 'not there',
  );
  expect(answer).toBe('deny');
});
