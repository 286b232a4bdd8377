// A hundred opens of one session at the same moment: on one connection they are one sandbox, on a hundred one controls it.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MANY = 100;
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startTestDaemon();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

test('on one connection are one sandbox, made once', async () => {
  const client = await daemon.connect('acme');
  const opened = await Promise.all(Array.from({ length: MANY }, () => client.open({ session: 'shared' })));
  expect(new Set(opened).size).toBe(1);
  expect((await daemon.containers()).length).toBe(1);
  expect((await opened[0]!.exec('echo one')).stdout).toBe('one\n');
  await opened[0]!.close();
  expect(await daemon.containers()).toEqual([]);
});

test('on a hundred connections: one controls it, ninety-nine are told that it is busy, at once', async () => {
  const clients = await Promise.all(Array.from({ length: MANY }, () => daemon.connect('acme')));
  const answers = await Promise.all(
    clients.map((client) =>
      client.open({ session: 'wanted' }).then(
        ({ created, role }) => `${role}, created: ${created}`,
        ({ code, hint }: { code: string; hint: string }) => `${code}: ${hint}`,
      ),
    ),
  );
  const counts = Object.fromEntries([...new Set(answers)].map((answer) => [answer, answers.filter((one) => one === answer).length]));
  expect(counts).toEqual({
    'controller, created: true': 1,
    'SESSION_BUSY: Another connection controls this session; wait, join as participant, or open with takeover: true.': MANY - 1,
  });
  expect((await daemon.containers()).length).toBe(1);
});
