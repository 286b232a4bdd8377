// Twenty tenants at once on a host without places for all of them, while the daemon is killed, containers vanish and the engine
// stands still: no answer is wrong and nothing is left over. A minute of it; CLOISTER_TEST_LOAD=1 makes it thirty,
// CLOISTER_TEST_MINUTES any number. What chance decides comes from the seed in the name; CLOISTER_TEST_SEED repeats it.

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Cloister } from '../../client/index.ts';
import { ExpectedFiles, hostHoldings, leftovers } from '../support/crash-model.ts';
import { eventually } from '../support/eventually.ts';
import { processesNaming } from '../support/host-view.ts';
import { randomFrom } from '../support/random-from.ts';
import { FAULTS, ShakenHost } from './shaken-host.ts';
import { TenantWork } from './tenant-work.ts';

const isLoad = process.env['CLOISTER_TEST_LOAD'] === '1';
const MINUTES = Number(process.env['CLOISTER_TEST_MINUTES'] ?? (isLoad ? '30' : '1'));
const SEED = Number(process.env['CLOISTER_TEST_SEED'] ?? randomInt(2 ** 31));
const TENANTS = 20;
const PLACES = 14;
const EPOCH_MS = 20_000;
const LONGEST_CALM_MS = 6000;
const config = { pool: { maxSessions: PLACES, warm: { size: 1 }, sweepMs: 200, leaseGraceMs: 0 } };

test(
  `${MINUTES} minutes of ${TENANTS} tenants on a host that is shaken: nothing wrong, nothing left over (seed ${SEED})`,
  async () => {
    const random = randomFrom(SEED);
    const files = new ExpectedFiles();
    await using host = await ShakenHost.open({ config, random });
    const { stateDir } = host.daemon;
    const atFirst = await hostHoldings(stateDir);
    const clients = await Promise.all(
      Array.from({ length: TENANTS }, async (_, n) =>
        Cloister.connect({
          url: host.daemon.url,
          token: await host.daemon.token(`tenant-${n}`),
          reconnect: { minDelayMs: 50, maxDelayMs: 500 },
        }),
      ),
    );
    const works = clients.map((client, n) => new TenantWork({ tenant: `tenant-${n}`, client, host, files, random: randomFrom(SEED + n) }));
    const wrong = (): string[] => works.flatMap((work) => work.wrong);
    const lists = async () => (await Promise.all(clients.map((client) => client.list()))).flat();

    const endsAt = performance.now() + MINUTES * 60_000;
    for (let epoch = 1; performance.now() < endsAt || host.befallen.length < FAULTS.length; epoch += 1) {
      const stop = new AbortController();
      const working = Promise.all(works.map((work) => work.until(stop.signal)));
      const epochEndsAt = performance.now() + EPOCH_MS;
      while (performance.now() < epochEndsAt) {
        await sleep(random() * LONGEST_CALM_MS);
        await host.shake(works.flatMap((work) => work.sandboxes));
      }
      stop.abort();
      await working;
      const where = `epoch ${epoch} of seed ${SEED}, after ${host.befallen.join(', ')}`;
      expect(wrong(), where).toEqual([]);
      expect(await files.differences(stateDir), where).toEqual([]);
      expect(
        await eventually(
          async () => leftovers(host.daemon, await lists()),
          (found) => found.length === 0,
          60_000,
        ),
        where,
      ).toEqual([]);
      expect(await hostHoldings(stateDir), where).toEqual(atFirst);
    }

    await Promise.all(works.map((work) => work.closeAll()));
    expect(wrong(), 'at the end').toEqual([]);
    expect(await lists()).toEqual([]);
    const done = works.reduce((sum, work) => sum + work.done, 0);
    const refused = new Map<string, number>();
    for (const work of works) for (const [code, count] of work.refused) refused.set(code, (refused.get(code) ?? 0) + count);
    process.stdout.write(
      `seed ${SEED}: ${done} done, ${host.befallen.length} faults, refused ${JSON.stringify(Object.fromEntries(refused))}\n`,
    );
    expect(done).toBeGreaterThan(TENANTS);
    await Promise.all(clients.map((client) => client.close()));
    await host.daemon.stop('close');
    expect(await host.daemon.containers()).toEqual([]);
    expect(await hostHoldings(stateDir)).toEqual({ mounts: [], loops: [] });
    expect(await processesNaming(stateDir)).toEqual([]);
  },
  MINUTES * 60_000 + 600_000,
);
