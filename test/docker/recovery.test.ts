// A daemon that dies: its sandboxes and commands go on, and the next one on the same directory knows all about them.

import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Cloister } from '../../client/index.ts';
import { codeOf, eventually } from '../support/eventually.ts';
import { processesWith } from '../support/host-view.ts';
import { freePort } from '../support/tcp-relay.ts';
import { spawnTestDaemon, startTestDaemon, type SpawnedDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;
const connect = async (daemon: SpawnedDaemon): Promise<Cloister> =>
  Cloister.connect({ url: daemon.url, token: await daemon.token('acme'), reconnect: { minDelayMs: 50, maxDelayMs: 200 } });

describe('kill -9 of the daemon', () => {
  test('loses no line, doubles none, and every command has one end', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    let daemon = await spawnTestDaemon({ listen });
    const { stateDir } = daemon;
    try {
      const client = await connect(daemon);
      const sandbox = await client.open({ session: 'survivor', env: { GREETING: 'hello' } });
      const { id, receipt } = sandbox;
      await sandbox.files.write('kept.txt', 'kept');
      const ended = await sandbox.exec('echo ended before');

      let text = '';
      let crashes = 0;
      const execution = sandbox.exec('for n in $(seq 1 800); do echo "line $n"; sleep 0.01; done; exit 9');
      const silent = sandbox.exec('sleep 600', { background: true, id: 'silent' });
      void silent.then(
        () => undefined,
        () => undefined,
      );
      for await (const chunk of execution) {
        text += chunk.text;
        if (crashes < 2 && text.includes(`line ${100 + crashes * 300}\n`)) {
          crashes += 1;
          await daemon.crash();
          await sleep(300);
          daemon = await spawnTestDaemon({ listen, stateDir });
        }
      }
      expect(crashes).toBe(2);
      expect(text).toBe(Array.from({ length: 800 }, (_, n) => `line ${n + 1}\n`).join(''));
      expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 9 });

      const again = await client.open({ session: 'survivor' });
      expect(again).toMatchObject({ id, receipt: { uid: receipt.uid, signature: receipt.signature } });
      expect(await sandbox.files.readText('kept.txt')).toBe('kept');
      expect((await sandbox.exec('echo "$GREETING"; echo ${BASH_VERSION:+bash}')).stdout).toBe('hello\nbash\n');
      expect(await sandbox.attach(ended.id)).toMatchObject({ outcome: 'exited', stdout: 'ended before\n' });
      expect((await processesWith(daemon.driver, id, 'sleep 600')).length).toBe(1);
      const stillThere = sandbox.attach('silent');
      await stillThere.kill();
      expect(await stillThere).toMatchObject({ outcome: 'killed', by: 'caller' });
      await client.close();
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  }, 180_000);

  test('loses no byte of stdin', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    let daemon = await spawnTestDaemon({ listen });
    const { stateDir } = daemon;
    try {
      const client = await connect(daemon);
      const sandbox = await client.open({ session: 'stdin' });
      const bytes = randomBytes(4 * MIB);
      async function* slowly(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < bytes.byteLength; at += MIB / 4) {
          yield bytes.subarray(at, at + MIB / 4);
          if (at !== 2 * MIB) continue;
          await daemon.crash();
          daemon = await spawnTestDaemon({ listen, stateDir });
        }
      }
      expect((await sandbox.exec('sha256sum', { stdin: slowly() })).stdout.slice(0, 64)).toBe(
        createHash('sha256').update(bytes).digest('hex'),
      );
      await client.close();
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  }, 180_000);

  test('keeps limits in force while there is no daemon, and ends what nobody comes back for', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    let daemon = await spawnTestDaemon({ listen });
    const { stateDir } = daemon;
    try {
      const client = await connect(daemon);
      const sandbox = await client.open({ session: 'limits' });
      const limited = sandbox.exec('exec -a limited sleep 600', { timeoutMs: 1500 });
      void limited.then(
        () => undefined,
        () => undefined,
      );
      await eventually(
        () => processesWith(daemon.driver, sandbox.id, 'limited'),
        (all) => all.length === 1,
      );
      await daemon.crash();
      expect(
        await eventually(
          () => processesWith(daemon.driver, sandbox.id, 'limited'),
          (all) => all.length === 0,
          10_000,
        ),
      ).toEqual([]);
      daemon = await spawnTestDaemon({ listen, stateDir });
      expect(await limited).toMatchObject({ outcome: 'timedOut', exitCode: null });
      await client.close();
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  }, 180_000);

  test('and a container that died meanwhile is lost, its session opens anew with its files, and nothing of it is left', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    let daemon = await spawnTestDaemon({ listen });
    const { stateDir } = daemon;
    try {
      const client = await connect(daemon);
      const sandbox = await client.open({ session: 'gone' });
      await sandbox.files.write('kept.txt', 'kept');
      const execution = sandbox.exec('sleep 600');
      void execution.then(
        () => undefined,
        () => undefined,
      );
      await sandbox.execs();
      await daemon.crash();
      await daemon.driver.remove(`cloister-${sandbox.id}`, { force: true });
      daemon = await spawnTestDaemon({ listen, stateDir });
      expect(
        await execution.result.then(
          ({ outcome }) => outcome,
          (error: { code: string }) => error.code,
        ),
      ).toMatch(/^(lost|SESSION_EXPIRED|SANDBOX_FAILED)$/);
      const again = await client.open({ session: 'gone' });
      expect(again.id).not.toBe(sandbox.id);
      expect(await again.files.readText('kept.txt')).toBe('kept');
      expect((await daemon.containers()).length).toBe(1);
      await client.close();
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  }, 180_000);
});

test('a container killed under an adopting daemon is noticed as under its first one', async () => {
  const first = await startTestDaemon();
  const client = await first.connect('acme');
  const { id } = await client.open({ session: 'adopted' });
  await first.stop('keep');
  const second = await startTestDaemon({ stateDir: first.stateDir });
  try {
    expect((await second.containers()).length).toBe(1);
    const sandbox = await (await second.connect('acme')).open({ session: 'adopted', takeover: true });
    expect(sandbox.id).toBe(id);
    const execution = sandbox.exec('sleep 600');
    await sandbox.execs();
    await second.driver.kill(`cloister-${id}`);
    expect(await execution).toMatchObject({ outcome: 'lost' });
    expect(
      await eventually(
        () => second.containers(),
        (all) => all.length === 0,
      ),
    ).toEqual([]);
    expect(['SANDBOX_FAILED', 'SESSION_EXPIRED']).toContain(await codeOf(sandbox.exec('true')));
  } finally {
    await second[Symbol.asyncDispose]();
  }
});

test('stopping with on-exit keep leaves sandbox and command to the next daemon, with what is left of their time', async () => {
  const first = await startTestDaemon();
  const client = await first.connect('acme');
  const opened = await client.open({ session: 'kept', ttlMs: 600_000 });
  await opened.extend({ ttlMs: 1_200_000 });
  const info = (await client.list())[0];
  const { id } = opened.exec('echo one; sleep 1.5; echo two', { background: true });
  await opened.execs();
  await first.stop('keep');
  const second = await startTestDaemon({ stateDir: first.stateDir });
  try {
    const other = await second.connect('acme');
    expect((await other.list())[0]).toMatchObject({
      id: opened.id,
      session: 'kept',
      createdAt: info?.createdAt,
      expiresAt: info?.expiresAt,
    });
    const sandbox = await other.open({ session: 'kept' });
    expect(await sandbox.attach(id)).toMatchObject({ outcome: 'exited', stdout: 'one\ntwo\n' });
  } finally {
    await second[Symbol.asyncDispose]();
  }
});

test('a second daemon on the same directory is refused, and the first does not notice', async () => {
  await using first = await startTestDaemon();
  const sandbox = await (await first.connect('acme')).open({ session: 'only' });
  await expect(startTestDaemon({ stateDir: first.stateDir })).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    message: expect.stringContaining('another daemon uses it') as string,
  });
  expect((await sandbox.exec('echo fine')).stdout).toBe('fine\n');
});

test('a daemon whose port is taken is refused, and the sandboxes of its directory stay', async () => {
  const first = await startTestDaemon();
  await (await first.connect('acme')).open({ session: 'stays' });
  await first.stop('keep');
  await using other = await startTestDaemon();
  await expect(startTestDaemon({ stateDir: first.stateDir, listen: new URL(other.url).host })).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    message: expect.stringContaining('the port is taken') as string,
  });
  expect((await first.containers()).length).toBe(1);
  const second = await startTestDaemon({ stateDir: first.stateDir });
  expect((await (await second.connect('acme')).list()).map(({ session }) => session)).toEqual(['stays']);
  await second[Symbol.asyncDispose]();
});
