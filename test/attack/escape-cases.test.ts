// A table of escape attempts. Each is tried from inside a sandbox through the product's own exec, as text and as a
// command line of the attacker's would run it; the same rows in a stock container show that they can fail.

import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../client/index.ts';
import { DockerDriver } from '../../daemon/container/docker-driver.ts';
import { engineSocket, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;

interface EscapeCase {
  readonly id: string;
  readonly claim: string;
  readonly where: string;
  readonly command: string;
  readonly expected: RegExp;
}

const lines = (await readFile(join(import.meta.dirname, 'escape-cases.tsv'), 'utf8'))
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));
const CASES: readonly EscapeCase[] = lines.map((line) => {
  const [id = '', claim = '', where = '', command = '', expected = ''] = line.split('\t');
  return { id, claim, where, command, expected: new RegExp(expected, 'm') };
});

let daemon: TestDaemon;
let sandbox: Sandbox;
/** Small enough to fill in a moment. */
let small: Sandbox;

beforeAll(async () => {
  daemon = await startTestDaemon();
  const client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'escape', workspace: { retain: 'delete' } });
  small = await client.open({ session: 'small', limits: { diskBytes: 64 * MIB, tmpBytes: 16 * MIB }, workspace: { retain: 'delete' } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

describe('inside a sandbox', () => {
  test.each(CASES.map((one) => [one.id, one.claim, one] as const))('%s: %s', async (_id, _claim, { command, expected, where }) => {
    const result = await (where === 'limited' ? small : sandbox).exec(['sh', '-c', command], { timeoutMs: 60_000 });
    expect(result.outcome).toMatch(/^(exited|signalled)$/);
    expect(result.stdout + result.stderr).toMatch(expected);
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
    const cases = CASES.filter(({ where }) => where === 'anywhere');
    await chmod(directory, 0o755);
    await mkdir(join(directory, 'workspace'));
    for (const { id, command } of cases) await writeFile(join(directory, `${id}.sh`), `${command}\n`);
    const id = await driver.createContainer(
      {
        Image: process.env['CLOISTER_TEST_IMAGE'] ?? '',
        Entrypoint: ['sh', '-c', RUNNER],
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
