// kill -9 of a daemon at random points of random work: nothing that was answered is lost, nothing is left over, what ran runs on.
// A bounded number of points; CLOISTER_TEST_LOAD=1 makes it hundreds. A failure names its seed: CLOISTER_TEST_SEED repeats it.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { ExpectedFiles, hostHoldings, leftovers } from '../support/crash-model.ts';
import { eventually } from '../support/eventually.ts';
import { processesNaming } from '../support/host-view.ts';
import { randomFrom } from '../support/random-from.ts';
import { type SpawnedDaemon, spawnTestDaemon } from '../support/test-daemon.ts';

const isLoad = process.env['CLOISTER_TEST_LOAD'] === '1';
const POINTS = isLoad ? 200 : 8;
const SEED = Number(process.env['CLOISTER_TEST_SEED'] ?? '20261122');
const TENANTS = ['acme', 'globex'];
const SESSIONS = ['s0', 's1'];
const LONGEST_MS = 900;
const config = { pool: { warm: { size: 1 }, sweepMs: 200, leaseGraceMs: 0 } };

interface Work {
  readonly client: Cloister;
  readonly daemon: SpawnedDaemon;
  readonly files: ExpectedFiles;
  readonly tenant: string;
  readonly session: string;
  readonly random: () => number;
}

/** One after the other until something fails, which the crash sees to. */
async function work({ client, daemon, files, tenant, session, random }: Work): Promise<void> {
  const key = `${tenant}/${session}`;
  const open = (): Promise<Sandbox> => client.open({ session, takeover: true });
  let sandbox = await open();
  for (;;) {
    const path = `f${Math.floor(random() * 3)}`;
    const content = `${Math.floor(random() * 1e9)}`;
    const choice = random();
    if (choice < 0.3) {
      const answered = files.writing(key, path, content);
      await sandbox.files.write(path, content);
      answered();
    } else if (choice < 0.55) {
      const answered = files.writing(key, path, content);
      if ((await sandbox.exec(`printf %s ${content} > ${path}`)).exitCode === 0) answered();
    } else if (choice < 0.65) void sandbox.exec('sleep 600', { background: true }).result.catch(() => undefined);
    else if (choice < 0.75) await sandbox.pause({ force: true });
    else if (choice < 0.85) {
      await sandbox.close();
      sandbox = await open();
    } else if (choice < 0.95) {
      const answered = files.deleting(key);
      await sandbox.close({ workspace: 'delete' });
      answered();
      sandbox = await open();
    } else await daemon.driver.remove(`cloister-${sandbox.id}`, { force: true });
  }
}

test(
  `${POINTS} crashes at random points lose no answered byte, leave nothing over and end no command`,
  async () => {
    const random = randomFrom(SEED);
    const files = new ExpectedFiles();
    let daemon = await spawnTestDaemon({ config });
    const { stateDir } = daemon;
    try {
      const atFirst = await hostHoldings(stateDir);
      for (let point = 1; point <= POINTS; point += 1) {
        const where = `crash ${point} of seed ${SEED}`;
        const clients = await Promise.all(TENANTS.map((tenant) => daemon.connect(tenant)));
        const keeper = await clients[0]!.open({ session: 'keeper', takeover: true });
        if (point === 1)
          void keeper
            .exec('n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done', { background: true, id: 'counter' })
            .result.catch(() => undefined);
        await eventually(
          () => keeper.execs(),
          (all) => all.length > 0,
        );
        expect(
          (await keeper.execs()).map(({ id, state }) => `${id} ${state}`),
          where,
        ).toEqual(['counter running']);
        const works = TENANTS.flatMap((tenant, n) =>
          SESSIONS.map((session) => work({ client: clients[n]!, daemon, files, tenant, session, random }).catch(() => undefined)),
        );
        await sleep(random() * LONGEST_MS);
        await daemon.crash();
        await Promise.all(clients.map((client) => client.close()));
        await Promise.all(works);
        daemon = await spawnTestDaemon({ config, stateDir });
        expect(await files.differences(stateDir), where).toEqual([]);
        const operator = await daemon.connect('acme');
        const others = await daemon.connect('globex');
        const sessions = async () => [...(await operator.list()), ...(await others.list())];
        expect(
          await eventually(
            async () => leftovers(daemon, await sessions()),
            (found) => found.length === 0,
            15_000,
          ),
          where,
        ).toEqual([]);
        expect(await hostHoldings(stateDir), where).toEqual(atFirst);
        await Promise.all([operator.close(), others.close()]);
      }
      const client = await daemon.connect('acme');
      const keeper = await client.open({ session: 'keeper', takeover: true });
      const counter = keeper.attach('counter');
      await counter.kill();
      let text = '';
      for await (const chunk of counter) text += chunk.text;
      const lines = text.split('\n').length - 1;
      expect(text).toBe(Array.from({ length: lines }, (_, n) => `${n + 1}\n`).join(''));
      expect(lines).toBeGreaterThan(POINTS * 10);
      await daemon.stop('close');
      expect(await daemon.containers()).toEqual([]);
      expect(await hostHoldings(stateDir)).toEqual({ mounts: [], loops: [] });
      expect(await processesNaming(stateDir)).toEqual([]);
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  },
  isLoad ? 3_600_000 : 300_000,
);
