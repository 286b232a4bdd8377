// Images made by somebody who means harm: what they say of users, entry points, volumes, health checks and directories
// changes nothing of the sandbox, and one that cannot be confined is not handed out.

import { lstat, readdir } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { codeOf } from '../support/eventually.ts';
import { HUGE_VARIABLES, hostileImage } from '../support/hostile-image.ts';
import { processesOf } from '../support/host-view.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { testDriver } from '../support/test-engine.ts';

const BARE = 'cloister-test-bare';
/** Where runtimes mount, as symlinks that lead elsewhere in the image. */
const LINKS = ['dev', 'proc', 'sys', 'tmp', 'run', 'workspace'];

let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;
let bareId = '';

beforeAll(async () => {
  const driver = testDriver();
  const base = process.env['CLOISTER_TEST_IMAGE'] ?? '';
  const [hostile, volumes] = [await hostileImage(driver, base), await hostileImage(driver, base, 'volumes')];
  const tar = pack();
  tar.entry({ name: 'etc', type: 'directory', mode: 0o777 });
  tar.entry({ name: 'outside', type: 'directory', mode: 0o777 });
  for (const name of LINKS) tar.entry({ name, type: 'symlink', linkname: name === 'workspace' ? '/etc' : '../../../../../../outside' });
  tar.finalize();
  bareId = await driver.importImage(Readable.from(tar), { repo: BARE, tag: 'links', changes: ['ENTRYPOINT ["/no-such-program"]'] });
  daemon = await startTestDaemon({ config: { images: { allow: { hostile, volumes, links: bareId } } } });
  client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'hostile', image: 'hostile', workspace: { retain: 'delete' } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await testDriver().removeImage(`${BARE}:links`, { force: true });
});

describe('in a sandbox of a hostile image', () => {
  test('its entry point, its command and its health check never run', async () => {
    expect((await sandbox.exec(['ls', '-A'])).stdout).toBe('');
    expect((await processesOf(daemon.driver, sandbox.id)).filter(({ command }) => /setuid-sh|checked/.test(command))).toEqual([]);
  });

  test('its user and its working directory are not taken', async () => {
    const { stdout } = await sandbox.exec('id -u; id -g; pwd');
    expect(stdout).toBe(`${sandbox.receipt.uid}\n${sandbox.receipt.gid}\n/workspace\n`);
    const { Config } = await daemon.driver.inspect(`cloister-${sandbox.id}`);
    expect(Config).toMatchObject({ WorkingDir: '/workspace', Healthcheck: { Test: ['NONE'] }, OpenStdin: false });
  });

  test.each([
    ['setuid', '/bin/setuid-sh -p -c "id -u"'],
    ['setgid', '/bin/setgid-cat /proc/self/status | grep -E "^Gid" | cut -f3'],
  ])('a %s program gives nobody but the tenant', async (_, command) => {
    expect((await sandbox.exec(['bash', '-c', command])).stdout.trim()).toBe(String(sandbox.receipt.uid));
  });

  test('its environment names nothing that a loader obeys, and HOME is ours', async () => {
    const { stdout } = await sandbox.exec('env | grep -v ^HUGE_');
    expect(stdout).not.toMatch(/^(?:LD_PRELOAD|BASH_ENV|NODE_OPTIONS)=/m);
    expect(stdout).toMatch(/^HOME=\/tmp\/home$/m);
    expect((await sandbox.exec('env | grep -c ^HUGE_')).stdout).toBe(`${HUGE_VARIABLES}\n`);
  });

  test('the receipt proves the same as with any image', () => {
    expect(sandbox.receipt).toMatchObject({
      image: { name: 'hostile' },
      noNewPrivs: true,
      capabilities: { effective: [], bounding: [] },
      seccomp: { mode: 2, profile: 'strict' },
    });
  });
});

test('an image with volumes is refused before a container is made', async () => {
  const before = await daemon.containers();
  expect(await codeOf(client.open({ session: 'volumes', image: 'volumes' }))).toBe('IMAGE_NOT_ALLOWED');
  expect(await daemon.containers()).toEqual(before);
});

test('an image whose /dev, /proc, /tmp and /workspace are symlinks is not handed out, and the host is as it was', async () => {
  const seen = async () => [await readdir('/'), (await lstat('/dev/null')).uid, (await lstat('/etc')).mtimeMs];
  const [before, containers] = [await seen(), await daemon.containers()];
  expect(await codeOf(client.open({ session: 'links', image: 'links' }))).toMatch(/^(?:ENFORCEMENT_MISMATCH|SANDBOX_FAILED)$/);
  expect(await seen()).toEqual(before);
  expect(await daemon.containers()).toEqual(containers);
  expect((await sandbox.exec('echo still fine')).stdout).toBe('still fine\n');
});
