import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SandboxId } from '../../../client/protocol/names.ts';
import { EgressTrust } from '../../../daemon/egress/egress-trust.ts';
import { LeafDesk } from '../../../daemon/egress/leaf-desk.ts';
import { systemClock } from '../../../daemon/observe/clock.ts';
import { createLog } from '../../../daemon/observe/log.ts';
import type { GrantedEgress } from '../../../daemon/policy/egress-policy.ts';

const ID = SandboxId.parse(`sb_${'a'.repeat(20)}`);
const policy: GrantedEgress = { mode: 'allowlist', allow: ['plain.test', { host: 'ruled.test', methods: ['GET'] }], deny: [], ask: [] };
const secrets = () => [{ name: 'KEY', placeholder: 'cloister-secret-0123456789', hosts: ['*.secret.test'], value: 'value' }];

let directory: string;
let trust: EgressTrust;
let desk: LeafDesk;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cl-leaf-'));
  trust = new EgressTrust({ authorityPath: join(directory, 'authority.pem'), runDir: directory, extraPath: null, clock: systemClock });
  desk = new LeafDesk({ trust, log: createLog({ level: 'fatal', destination: process.stderr }) });
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

test.each([
  ['a host with rules', 'ruled.test', true],
  ['a host of a secret', 'api.secret.test', true],
  ['a host that is only allowed', 'plain.test', false],
  ['a host of nobody', 'bank.example', false],
  ['a suffix', '*.secret.test', false],
  ['a host in another spelling', 'RULED.test', false],
  ['several hosts at once', 'ruled.test,bank.example', false],
  ['nothing', '', false],
])('a process that asks for a certificate of %s (%s) is given one: %s', async (_, host, isGiven) => {
  expect((await desk.answer(ID, host, { policy, secrets })) !== null).toBe(isGiven);
});

test('one sandbox has only some made at once', async () => {
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) => desk.answer(ID, `h${index}.secret.test`, { policy, secrets })),
  );
  expect(answers.filter((leaf) => leaf !== null)).toHaveLength(4);
  expect(await desk.answer(ID, 'h9.secret.test', { policy, secrets })).not.toBeNull();
});

test('the files that sandboxes trust by share one copy and hold no key', async () => {
  const slots = [join(directory, 'a'), join(directory, 'b')];
  for (const slot of slots) await mkdir(slot);
  for (const slot of slots) await trust.install(slot);
  await trust.install(slots[0]!);
  const [one, other] = await Promise.all(slots.map((slot) => stat(join(slot, 'egress-bundle.pem'))));
  expect(one?.ino).toBe(other?.ino);
  expect((one?.mode ?? 0) & 0o777).toBe(0o444);
  expect(await readFile(join(slots[0]!, 'egress-bundle.pem'), 'utf8')).not.toContain('PRIVATE KEY');
});
