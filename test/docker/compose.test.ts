// The daemon in a container beside the host's engine: what docker-compose.yml gives it, and, because building the image takes
// minutes, with CLOISTER_TEST_LOAD=1 the real thing: built without the network, brought up, used, taken down, brought up again.

import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { Cloister } from '../../client/index.ts';
import { architectureOf, loadBaseRecipe } from '../../daemon/container/image/base-recipe.ts';
import { DockerDriver } from '../../daemon/container/docker-driver.ts';
import { unmountAllUnder } from '../../daemon/workspace/mounts.ts';
import { codeOf, eventually } from '../support/eventually.ts';
import { loopDevicesUnder, mountsUnder } from '../support/host-view.ts';
import { freePort } from '../support/tcp-relay.ts';
import { engineSocket } from '../support/test-daemon.ts';

const ROOT = join(import.meta.dirname, '../..');
const MINUTES = 60_000;
const isLoad = process.env['CLOISTER_TEST_LOAD'] === '1';
const run = promisify(execFile);

describe('docker-compose.yml', () => {
  const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');

  test('is read by docker-compose', () => {
    const read = execFileSync('docker-compose', ['-f', 'docker-compose.yml', 'config'], { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' });
    expect(read).toContain('pid: host');
    expect(read).not.toContain('privileged');
  });

  test('says for each capability why', () => {
    const given = /cap_add:\n((?: {6}.*\n)+)/.exec(text)?.[1] ?? '';
    const blocks = given.split(/(?= {6}#)/);
    expect(blocks.length).toBeGreaterThan(5);
    for (const block of blocks) expect(block).toMatch(/^ {6}# .+\n( {6}# .*\n)*( {6}- [A-Z_]+\n)+$/);
    for (const right of [
      'pid: host',
      'network_mode: host',
      'apparmor:unconfined',
      'device_cgroup_rules:',
      '- /dev:/dev',
      '- /sys/fs:/sys/fs',
    ])
      expect(text.split('\n')[text.split('\n').findIndex((line) => line.includes(right)) - 1]?.trim()).toMatch(/^#/);
  });

  test('takes everything away that is not given', () => {
    for (const line of ['cap_drop: [ALL]', 'read_only: true', 'no-new-privileges:true']) expect(text).toContain(line);
  });

  test('the image has no build tools in its last stage', () => {
    const last =
      readFileSync(join(ROOT, 'images/daemon/Dockerfile'), 'utf8')
        .split(/^FROM /m)
        .at(-1) ?? '';
    expect(last).not.toMatch(/gcc|make|npm/);
  });
});

describe.each(isLoad ? ['for real'] : [])('%s', () => {
  const work = mkdtempSync(join(tmpdir(), 'cl-tdc-'));
  const stateDir = join(work, 'state');
  const context = join(work, 'context');
  const image = `cloister-test-compose:${process.pid}`;
  const base = `cloister-test-compose-base:${process.pid}`;
  const project = `cltdc${process.pid}`;
  const driver = new DockerDriver({ socketPath: engineSocket() });
  let env: NodeJS.ProcessEnv = {};
  const compose = async (...args: string[]): Promise<string> =>
    (await run('docker-compose', ['-p', project, ...args], { cwd: ROOT, env, maxBuffer: 64 * 1024 * 1024 })).stdout;

  afterAll(async () => {
    await compose('down', '--volumes', '--timeout', '20').catch(() => undefined);
    const instance = await readFile(join(stateDir, 'instance-id'), 'utf8').catch(() => '');
    const left = instance === '' ? [] : await driver.list({ all: true, labels: { 'cloister.instance': instance.trim() } });
    for (const { id } of left) await driver.remove(id, { force: true });
    await unmountAllUnder(stateDir);
    await run('docker', ['image', 'prune', '--force', '--filter', 'label=dev.cloister.build=daemon'], { env });
    for (const name of [image, base]) await driver.removeImage(name, { force: true }).catch(() => undefined);
    await rm(work, { recursive: true, force: true });
  }, 2 * MINUTES);

  /** Set-up's base image has Node and a compiler; the tools of btrfs come from this host, because there is no network. */
  async function baseWithBtrfs(): Promise<void> {
    const root = join(work, 'base');
    const programs = ['btrfs', 'mkfs.btrfs'].map((name) => execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim());
    const libraries = execFileSync('ldd', programs, { encoding: 'utf8' }).match(/(?<==> )\/\S+(?= )/g) ?? [];
    for (const path of [...programs, ...libraries.filter((each) => !each.includes('libc.so'))]) {
      // /bin and /lib are links in the image: what is copied there would take their place.
      const target = join(root, path.startsWith('/usr/') ? path : `/usr${path}`);
      await mkdir(dirname(target), { recursive: true });
      await cp(path, target, { dereference: true });
    }
    const recipe = await loadBaseRecipe(join(ROOT, 'images/base'), architectureOf(process.arch));
    await writeFile(join(work, 'Dockerfile'), `FROM ${recipe.reference}\nCOPY base/ /\n`);
    await writeFile(join(work, '.dockerignore'), '*\n!base\n!Dockerfile\n');
    await run('docker', ['build', '--tag', base, work], { env });
  }

  test(
    'main job through it, down, up: session and command are still there',
    async () => {
      await mkdir(stateDir, { mode: 0o700 });
      await run('mount', ['--bind', stateDir, stateDir]);
      await run('mount', ['--make-rshared', stateDir]);
      const port = await freePort();
      env = {
        PATH: process.env['PATH'],
        DOCKER_HOST: `unix://${engineSocket()}`,
        DOCKER_BUILDKIT: '0',
        CLOISTER_IMAGE: image,
        CLOISTER_BUILD_CONTEXT: context,
        CLOISTER_BASE_IMAGE: base,
        CLOISTER_ENGINE_SOCKET: engineSocket(),
        CLOISTER_STATE_DIR: stateDir,
        CLOISTER_LISTEN: `127.0.0.1:${port}`,
        CLOISTER_METRICS_LISTEN: '127.0.0.1:0',
        CLOISTER_WORKSPACE_POOL_BYTES: String(2 * 1024 ** 3),
      };
      await baseWithBtrfs();
      await run('sh', ['images/daemon/pack-context.sh', context], { cwd: ROOT });
      await compose('build');
      const up = async (): Promise<void> => {
        await compose('up', '--detach', '--no-build', 'cloister');
        expect(
          await eventually(
            () => compose('ps'),
            (text) => text.includes('(healthy)'),
            2 * MINUTES,
          ),
        ).toContain('(healthy)');
      };
      await up();
      const token = (await compose('exec', '-T', 'cloister', 'cloister', 'token', 'create', '--tenant', 'acme')).trim();
      const url = `ws://127.0.0.1:${port}`;
      const first = await Cloister.connect({ url, token });
      const sandbox = await first.open({ session: 'kept', profile: 'workspace-write' });
      expect(await sandbox.exec('echo out; echo err >&2; echo text > file.txt; exit 7')).toMatchObject({
        outcome: 'exited',
        exitCode: 7,
        stdout: 'out\n',
        stderr: 'err\n',
      });
      expect(sandbox.receipt.workspace).toMatchObject({ store: 'btrfs' });
      expect((await sandbox.exec('tail /dev/zero')).outcome).toBe('oomKilled');
      expect((await sandbox.exec('curl --silent --max-time 5 http://169.254.169.254/')).egress).toMatchObject([{ verdict: 'deny' }]);
      const running = sandbox.exec('i=0; while sleep 0.2; do i=$((i+1)); echo "$i"; done', { background: true });
      for await (const chunk of running) if (chunk.text.includes('3')) break;
      await first.close();

      await compose('down');
      expect(await codeOf(Cloister.connect({ url, token }))).toBe('CONNECT_FAILED');
      await up();
      const second = await Cloister.connect({ url, token });
      const again = await second.open({ session: 'kept', profile: 'workspace-write', takeover: true });
      expect([again.created, again.id]).toEqual([false, sandbox.id]);
      expect(await again.files.readText('file.txt')).toBe('text\n');
      const same = again.attach(running.id);
      let text = '';
      for await (const chunk of same) {
        text += chunk.text;
        if (text.split('\n').length > 12) break;
      }
      expect(text.split('\n').slice(0, 12)).toEqual(Array.from({ length: 12 }, (_, index) => String(index + 1)));
      await again.attach(running.id).kill();
      await again.close({ workspace: 'delete' });
      await second.close();

      env = { ...env, CLOISTER_ON_EXIT: 'close' };
      await up();
      await compose('down');
      expect([(await mountsUnder(stateDir)).filter((path) => path !== stateDir), await loopDevicesUnder(stateDir)]).toEqual([[], []]);
    },
    20 * MINUTES,
  );
});
