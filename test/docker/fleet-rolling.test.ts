// A fleet whose members are restarted one after the other while clients of both work in sandboxes of both.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { eventually } from '../support/eventually.ts';
import { TestFleet } from '../support/test-fleet.ts';

let fleet: TestFleet;

beforeAll(async () => {
  fleet = await TestFleet.start({ members: 2 });
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

interface Worker {
  readonly sandbox: Sandbox;
  /** Index of the member that has it. */
  readonly owner: number;
  /** How many commands were over, by the outcome and output that each must have. */
  done: number;
  readonly failures: unknown[];
  finish(): Promise<void>;
}

function work(sandbox: Sandbox): Worker {
  let isAsked = false;
  const worker: Worker = {
    sandbox,
    owner: fleet.ownerOf(sandbox),
    done: 0,
    failures: [],
    finish: async () => {
      isAsked = true;
      await ended;
    },
  };
  const ended = (async () => {
    for (let turn = 0; !isAsked; turn += 1) {
      try {
        const { outcome, stdout } = await sandbox.exec(`echo begin ${turn}; sleep 0.2; echo end ${turn}`);
        if (outcome === 'exited' && stdout === `begin ${turn}\nend ${turn}\n`) worker.done += 1;
        else worker.failures.push({ turn, outcome, stdout });
      } catch (error) {
        worker.failures.push(error);
      }
    }
  })();
  return worker;
}

test('a rolling restart under load: a pause for clients, no failed command, and no member without work of its own', async () => {
  const clients: Cloister[] = [await fleet.connect(0, 'acme'), await fleet.connect(1, 'acme')];
  const workers: Worker[] = [];
  for (let n = 0; n < 6; n += 1) {
    const opened = await fleet.openAt(clients[n % 2]!, n < 3 ? 0 : 1);
    workers.push(work(opened));
  }
  expect(new Set(workers.map(({ owner }) => owner)).size).toBe(2);
  const allGoOn = async (): Promise<void> => {
    const before = workers.map(({ done }) => done);
    await eventually(
      () => workers.every(({ done, failures }, n) => failures.length > 0 || done > (before[n] ?? 0) + 1),
      (isSo) => isSo,
    );
  };
  await allGoOn();
  for (const at of [0, 1]) {
    const before = workers.map(({ done }) => done);
    await fleet.member(at).stop('keep');
    await fleet.restart(at);
    await allGoOn();
    for (const [n, { owner, done }] of workers.entries()) if (owner === at) expect(done).toBeGreaterThan(before[n] ?? 0);
  }
  await Promise.all(workers.map((worker) => worker.finish()));
  expect(workers.flatMap(({ failures }) => failures)).toEqual([]);
  await Promise.all(workers.map(({ sandbox }) => sandbox.close({ workspace: 'delete' })));
});
