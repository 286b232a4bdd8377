// Once per test project that needs an engine: a private engine of its own with the base image, on a state directory of
// its own, gone afterwards. Set-up (npm run setup) has filled the cache before.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DockerDriver } from '../../daemon/container/docker-driver.ts';
import { startPrivateEngine } from '../../daemon/container/engine/private-engine.ts';
import { createLog } from '../../daemon/observe/log.ts';
import { prepareArtifacts } from '../../daemon/setup/prepare-artifacts.ts';

export async function setup(): Promise<() => Promise<void>> {
  const packageRoot = join(import.meta.dirname, '../..');
  const cacheDir = process.env['CLOISTER_CACHE_DIR'] ?? '/var/cache/cloister';
  const log = createLog({ level: 'warn', destination: process.stderr });
  const given = process.env['CLOISTER_TEST_ENGINE'];
  const stateDir = await mkdtemp(join(tmpdir(), 'cl-engine-'));
  const engine = given === undefined ? await startPrivateEngine({ stateDir, log }) : null;
  const socketPath = given ?? engine?.socketPath ?? '';
  const stop = async () => {
    await engine?.stop();
    await rm(stateDir, { recursive: true, force: true });
  };
  const artifacts = await prepareArtifacts({
    driver: new DockerDriver({ socketPath }),
    cacheDir,
    packageRoot,
    arch: process.arch,
    onProgress: (line) => log.warn({ line }, 'preparing tests'),
  }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  process.env['CLOISTER_TEST_ENGINE'] = socketPath;
  process.env['DOCKER_HOST'] = `unix://${socketPath}`;
  process.env['CLOISTER_TEST_IMAGE'] = artifacts.imageReference;
  process.env['CLOISTER_TEST_INIT'] = artifacts.initPath;
  return async () => {
    if (given === undefined) delete process.env['CLOISTER_TEST_ENGINE'];
    await stop();
  };
}
