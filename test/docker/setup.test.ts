// The set-up on this host: what it leaves is complete, a second run changes nothing, and the base image is what it promises.
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DockerDriver } from '../../daemon/container/docker-driver.ts';
import { engineLayout } from '../../daemon/container/engine/engine-layout.ts';
import { findEngineProcesses } from '../../daemon/container/engine/engine-processes.ts';
import { startPrivateEngine } from '../../daemon/container/engine/private-engine.ts';
import { isStaticElf } from '../../daemon/setup/build-init.ts';
import { runSetup, type SetupOptions, type SetupReport } from '../../daemon/setup/run-setup.ts';

const log = pino({ level: 'silent' });
const stateDir = mkdtempSync(path.join(tmpdir(), 'cloister-setup-'));
const options: SetupOptions = {
  stateDir,
  cacheDir: process.env['CLOISTER_CACHE_DIR'] ?? '/var/cache/cloister',
  imagesDir: path.resolve('images'),
  platform: process.platform,
  arch: process.arch,
  isRoot: process.getuid?.() === 0,
  keepEngine: true,
  log,
  onProgress: () => undefined,
};
let report: SetupReport;
let driver: DockerDriver;

beforeAll(async () => {
  report = await runSetup(options);
  driver = new DockerDriver({ socketPath: report.engine.socketPath });
}, 600_000);

afterAll(async () => {
  if (report.engine.kind === 'private') await (await startPrivateEngine({ stateDir, log })).stop();
  rmSync(stateDir, { recursive: true, force: true });
}, 60_000);

describe('a set-up', () => {
  test('reports every step, the engine, the image and the init', async () => {
    expect(report.steps.map((step) => step.name)).toEqual([
      'platform',
      'find-engine',
      'disk-space',
      'packages',
      'engine',
      'base-image',
      'init',
    ]);
    expect(report.image).toEqual({
      name: 'base',
      reference: expect.stringMatching(/^cloister-base:[0-9a-f]{12}$/),
      id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    });
    expect(isStaticElf(await readFile(report.initPath))).toBe(true);
  });

  test('has nothing to do the second time', async () => {
    const again = await runSetup(options);
    expect(again.steps.filter((step) => step.did)).toEqual([]);
    expect(again).toMatchObject({ engine: report.engine, image: report.image, initPath: report.initPath });
  });

  test('does not start an engine when the cache is complete, and leaves none behind', async () => {
    const otherState = mkdtempSync(path.join(tmpdir(), 'cloister-setup-'));
    const again = await runSetup({ ...options, stateDir: otherState, keepEngine: false });
    expect(again.steps.filter((step) => step.did)).toEqual([]);
    expect(await findEngineProcesses(engineLayout(otherState))).toEqual([]);
    rmSync(otherState, { recursive: true, force: true });
  });

  test('refuses an engine on another host', async () => {
    await expect(runSetup({ ...options, dockerHost: 'tcp://192.0.2.1:2375' })).rejects.toMatchObject({
      step: 'find-engine',
      message: expect.stringContaining('DOCKER_HOST is tcp://192.0.2.1:2375: only unix:///path sockets are used'),
      hint: expect.stringContaining('unset DOCKER_HOST'),
    });
  });

  test('that cannot write says which step and what to do', async () => {
    await expect(runSetup({ ...options, cacheDir: '/proc/cloister' })).rejects.toMatchObject({
      step: 'disk-space',
      message: expect.stringContaining('/proc/cloister has 0 MiB free'),
      hint: expect.stringContaining('CLOISTER_CACHE_DIR'),
    });
  });
});

describe('in the base image', () => {
  const claims: readonly (readonly [string, string, string])[] = [
    ['no file is setuid or setgid', '0:0', 'test -z "$(find / -xdev -perm /6000 -print -quit)"'],
    ['no account has a password', '0:0', '! cut -d: -f2 /etc/shadow | grep -qv "^[*!]"'],
    [
      'nothing is kept of the machine that built it',
      '0:0',
      'test ! -e /etc/machine-id && test ! -e /etc/apt/sources.list && test -z "$(ls /etc/apt/sources.list.d)" && test ! -e /cloister-build',
    ],
    [
      '/workspace is an empty directory of root',
      '0:0',
      'test "$(stat -c "%U %a" /workspace)" = "root 755" && test -z "$(ls -A /workspace)"',
    ],
    ['the locale is C.UTF-8', '200001:200001', 'test "$LANG" = C.UTF-8 && locale 2>&1 | grep -q "LC_CTYPE=.C.UTF-8"'],
    [
      'the tools are there for an unknown uid',
      '200001:200001',
      'for tool in git curl python3 pip node npm npx rg jq less ps unzip gcc make ssh; do command -v $tool || exit 1; done; git --version && npm --version && pip --version && rg --version',
    ],
    ['Node is 20 or newer', '200001:200001', 'node -e "process.exit(Number(process.versions.node.split(\'.\')[0]) >= 20 ? 0 : 1)"'],
    ['Python makes virtual environments with pip', '200001:200001', 'cd /tmp && python3 -m venv made && made/bin/python -m pip --version'],
    ['C programs compile and run', '200001:200001', 'cd /tmp && echo "int main(void) { return 0; }" > a.c && gcc a.c -o a && ./a'],
    ['TLS has its certificates', '200001:200001', 'test -s /etc/ssl/certs/ca-certificates.crt'],
  ];

  test.each(claims)('%s', async (claim, user, script) => {
    const id = await driver.createContainer(
      {
        Image: report.image.reference,
        User: user,
        Env: ['HOME=/tmp', 'TMPDIR=/tmp'],
        Cmd: ['bash', '-ec', script],
        HostConfig: {
          NetworkMode: 'none',
          ReadonlyRootfs: true,
          Tmpfs: { '/tmp': 'rw,exec,nosuid,nodev,size=128m' },
          LogConfig: { Type: 'none' },
        },
      },
      `base-${claims.findIndex(([text]) => text === claim)}`,
    );
    try {
      await driver.start(id);
      expect(await driver.waitForEnd(id, { timeoutMs: 30_000 })).toEqual({ exitCode: 0, error: '' });
    } finally {
      await driver.remove(id, { force: true });
    }
  });

  test('there are less than 700 MB, no volume, no entry point and no health check', async () => {
    const details = await driver.inspectImage(report.image.reference);
    expect(details).toMatchObject({ volumes: [], entrypoint: [], exposedPorts: [], hasHealthcheck: false });
    expect(details?.sizeBytes).toBeLessThan(700e6);
  });
});
