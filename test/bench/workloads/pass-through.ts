// What it adds to a command that its client is connected to another member of the fleet than the one that has the sandbox.

import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Cloister, type Sandbox } from 'cloister';
import { startRedis } from '../../support/redis-server.ts';
import { DaemonProcess } from '../harness/daemon-process.ts';
import type { Workload } from '../harness/workload.ts';
import { expectSuccess } from './exec-true.ts';

const TENANT = 'bench';
const LEASE_MS = 1500;

export const passThrough: Workload = {
  name: 'pass-through',
  unit: 'ms',
  what: '`true` through another member of the fleet: what that adds, pair by pair',
  async run({ scope, packageRoot, daemon, nodeOptions }, { isQuick }) {
    const redis = await startRedis();
    scope.defer(() => redis[Symbol.asyncDispose]());
    const settings = {
      CLOISTER_ENGINE_SOCKET_PATH: daemon.engineSocket,
      CLOISTER_PORTS_LISTEN: '127.0.0.1:0',
      CLOISTER_CLUSTER_REDIS_URL: redis.url,
      CLOISTER_CLUSTER_LEASE_MS: String(LEASE_MS),
    };
    const one = await DaemonProcess.start(packageRoot, scope, nodeOptions, settings);
    const two = await DaemonProcess.start(packageRoot, scope, nodeOptions, { ...settings, CLOISTER_AUTH_KEYS: join(one.stateDir, 'keys') });
    const token = await one.token(TENANT);
    const connect = async ({ url }: DaemonProcess): Promise<Cloister> => {
      const client = await Cloister.connect({ url, token });
      scope.defer(() => client.close());
      return client;
    };
    const clients = { one: await connect(one), two: await connect(two) };
    // Until then the directory is new, and places nothing.
    await sleep(2 * LEASE_MS);
    const opened = await clients.one.open({ session: 'passed' });
    const isOfOne = opened.ownerUrl === one.url.replace('ws', 'http');
    const beside = await clients.two.open({ session: 'passed', role: 'participant' });
    const [direct, through] = isOfOne ? [opened, beside] : [beside, opened];
    const rounds = isQuick ? 150 : 600;
    const values = { added: [] as number[], direct: [] as number[], through: [] as number[] };
    for (let round = -50; round < rounds; round += 1) {
      const pair = { direct: 0, through: 0 };
      const order = round % 2 === 0 ? (['direct', 'through'] as const) : (['through', 'direct'] as const);
      for (const way of order) pair[way] = await timeOf(way === 'direct' ? direct : through);
      if (round < 0) continue;
      values.direct.push(pair.direct);
      values.through.push(pair.through);
      values.added.push(pair.through - pair.direct);
    }
    await opened.close({ workspace: 'delete' });
    return [
      { name: 'cloister, added', values: values.added },
      { name: 'through another member', values: values.through },
      { name: 'direct', values: values.direct },
    ];
  },
};

async function timeOf(sandbox: Sandbox): Promise<number> {
  const startedAt = performance.now();
  expectSuccess(await sandbox.exec(['true']));
  return performance.now() - startedAt;
}
