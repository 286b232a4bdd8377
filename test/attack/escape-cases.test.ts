// The escape attempts of `cloister doctor --attack`, tried by that very command in a sandbox of a running daemon; the same
// rows in a stock container show that they can fail.

import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Sandbox } from '../../client/index.ts';
import { runCli } from '../../daemon/cli/program.ts';
import { DockerDriver } from '../../daemon/container/docker-driver.ts';
import { hasPart, type KernelText, readKernelText } from '../../daemon/doctor/attack/kernel-parts.ts';
import { ATTACK_ROWS } from '../../daemon/doctor/attack/rows.ts';
import { cliProcess } from '../support/cli-process.ts';
import { engineSocket, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const Finding = z.object({ id: z.string(), verdict: z.string(), detail: z.string() });
const Report = z.object({ attack: z.object({ findings: z.array(Finding) }) });

let daemon: TestDaemon;
let sandbox: Sandbox;
let findings: ReadonlyMap<string, z.infer<typeof Finding>>;
let kernel: KernelText;

beforeAll(async () => {
  daemon = await startTestDaemon();
  kernel = await readKernelText();
  const out = new PassThrough();
  await runCli(['doctor', '--attack', '--json', '--state-dir', daemon.stateDir], cliProcess({ out }));
  const report = Report.parse(JSON.parse(String(out.read())));
  findings = new Map(report.attack.findings.map((finding) => [finding.id, finding]));
  sandbox = await (await daemon.connect('acme')).open({ session: 'escape', workspace: { retain: 'delete' } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

describe('inside a sandbox', () => {
  test('every row was tried, and no sandbox is left of it', async () => {
    expect([...findings.keys()]).toEqual(['open', ...ATTACK_ROWS.map(({ id }) => id)]);
    expect(findings.get('open')).toMatchObject({ verdict: 'pass', detail: expect.stringContaining('runtime runc, image base') as string });
    expect(await daemon.containers()).toHaveLength(1);
  });

  test.each(ATTACK_ROWS.map((row) => [row.id, row.claim, row] as const))('%s: %s', (id, claim, { needs }) => {
    const lacks = needs !== undefined && !hasPart(kernel, needs);
    expect(findings.get(id)).toMatchObject(
      lacks
        ? { verdict: 'not-applicable', detail: `this kernel has no ${needs.name}: there is nothing to attack` }
        : { verdict: 'pass', detail: claim },
    );
  });

  test('/run/cloister cannot be listed or changed', async () => {
    const result = await sandbox.exec(
      'ls /run/cloister; rm -f /run/cloister/control.sock; touch /run/cloister/x; mv /run/cloister/etc /run/cloister/y; test -S /run/cloister/control.sock && echo there',
    );
    expect(result.stdout).toBe('there\n');
    expect(result.stderr.match(/Read-only file system|Permission denied/g)).toHaveLength(4);
  });

  test('the control socket does not take a second init: without the nonce it says nothing', async () => {
    const script =
      'import socket\ns=socket.socket(socket.AF_UNIX); s.settimeout(8)\ns.connect("/run/cloister/control.sock")\ns.send(b"\\x00"*64)\nprint(repr(s.recv(100)))';
    expect((await sandbox.exec(['python3', '-c', script])).stdout).toBe("b''\n");
    expect((await sandbox.exec('echo still ours')).stdout).toBe('still ours\n');
  });
});

describe('in a stock container', () => {
  const RUNNER = 'for file in /cases/*.sh; do timeout 20 sh "$file" > "$file.out" 2>&1 < /dev/null; done';

  test('a quarter of the rows or more fail, so they have teeth', async () => {
    const driver = new DockerDriver({ socketPath: engineSocket() });
    const directory = await mkdtemp(join(tmpdir(), 'cl-escape-'));
    const cases = ATTACK_ROWS.filter(({ isLimited }) => isLimited !== true);
    await chmod(directory, 0o755);
    await mkdir(join(directory, 'workspace'));
    for (const { id, command } of cases) await writeFile(join(directory, `${id}.sh`), `${command}\n`);
    const id = await driver.createContainer(
      {
        Image: process.env['CLOISTER_TEST_IMAGE'] ?? '',
        // A row that gets at PID 1 must not end the rows after it.
        Entrypoint: ['sh', '-c', `(${RUNNER}) & wait`],
        WorkingDir: '/workspace',
        HostConfig: {
          NetworkMode: 'none',
          Mounts: [
            { Type: 'bind', Source: directory, Target: '/cases' },
            { Type: 'bind', Source: join(directory, 'workspace'), Target: '/workspace' },
          ],
        },
      },
      `cloister-test-stock-${randomUUID()}`,
    );
    try {
      await driver.start(id);
      await driver.waitForEnd(id);
      const failed: string[] = [];
      for (const one of cases) if (!one.expected.test(await readFile(join(directory, `${one.id}.sh.out`), 'utf8'))) failed.push(one.id);
      expect(failed.length).toBeGreaterThanOrEqual(cases.length / 4);
      expect(failed).toEqual(expect.arrayContaining(['E03', 'E10', 'E12', 'E61', 'E62', 'E73', 'E78']));
    } finally {
      await driver.remove(id, { force: true });
      await rm(directory, { recursive: true, force: true });
    }
  });
});
