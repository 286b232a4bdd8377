// The real engine that tests use, and the smallest image that can be run on it: an empty one.
import { Readable } from 'node:stream';
import { DockerDriver } from '../../daemon/container/docker-driver.ts';
import type { ContainerCreateBody, ContainerDriver } from '../../daemon/container/driver.ts';

const DEFAULT_SOCKET = '/var/run/docker.sock';
const EMPTY_IMAGE = 'cloister-test-empty:latest';
const EMPTY_TAR_BYTES = 1024;

/** The engine of DOCKER_HOST, which set-up exports to the tests, or the host's. */
export function testDriver(): ContainerDriver {
  const host = process.env['DOCKER_HOST'] ?? `unix://${DEFAULT_SOCKET}`;
  return new DockerDriver({ socketPath: host.replace(/^unix:\/\//, '') });
}

/** Id of an image without a single file: whatever runs in it is mounted. Made once per engine. */
export async function emptyImage(driver: ContainerDriver): Promise<string> {
  const present = await driver.inspectImage(EMPTY_IMAGE);
  if (present !== null) return present.id;
  const [repo = '', tag = ''] = EMPTY_IMAGE.split(':');
  return await driver.importImage(Readable.from([Buffer.alloc(EMPTY_TAR_BYTES)]), { repo, tag });
}

/** Runs a container to its end, removes it, and answers its exit code. */
export async function runToEnd(driver: ContainerDriver, body: ContainerCreateBody, name: string): Promise<number> {
  const id = await driver.createContainer(body, name);
  try {
    await driver.start(id);
    return (await driver.waitForEnd(id)).exitCode;
  } finally {
    await driver.remove(id, { force: true });
  }
}
