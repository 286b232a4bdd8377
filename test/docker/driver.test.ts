// The dockerode driver on a real engine, private to this file: the contract, and what only a real engine can show.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { pack } from 'tar-fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DockerDriver } from '../../daemon/container/docker-driver.ts';
import { engineLayout } from '../../daemon/container/engine/engine-layout.ts';
import { mountsBelow } from '../../daemon/container/engine/engine-leftovers.ts';
import { findEngineProcesses } from '../../daemon/container/engine/engine-processes.ts';
import { type PrivateEngine, startPrivateEngine } from '../../daemon/container/engine/private-engine.ts';
import { driverContract } from '../contract/driver-contract.ts';

const run = promisify(execFile);
const log = pino({ level: 'silent' });
const stateDir = mkdtempSync(path.join(tmpdir(), 'cloister-driver-'));
const rootDir = path.join(stateDir, 'root');
const rootFileSystem = (): Readable => Readable.from(pack(rootDir));
let engine: PrivateEngine;
let driver: DockerDriver;
let serial = 0;

beforeAll(async () => {
  // A root file system of one static program that waits for ever.
  mkdirSync(rootDir);
  writeFileSync(path.join(stateDir, 'wait.c'), '#include <unistd.h>\nint main(void) { for (;;) pause(); }\n');
  await run('gcc', ['-static', '-O1', '-o', path.join(rootDir, 'wait'), path.join(stateDir, 'wait.c')]);
  engine = await startPrivateEngine({ stateDir, log });
  driver = new DockerDriver({ socketPath: engine.socketPath });
  await driver.importImage(rootFileSystem(), { repo: 'contract', tag: '1', changes: ['CMD ["/wait"]'] });
}, 120_000);

afterAll(async () => {
  await engine.stop();
  rmSync(stateDir, { recursive: true, force: true });
}, 60_000);

driverContract('docker', () => ({ driver, image: 'contract:1', rootFileSystem, name: () => `contract-${(serial += 1)}` }));

describe('a build', () => {
  test('runs from a packed context and reports its steps', async () => {
    const context = mkdtempSync(path.join(stateDir, 'context-'));
    writeFileSync(path.join(context, 'Dockerfile'), 'FROM contract:1\nCOPY note /note\nENV NOTE=1\n');
    writeFileSync(path.join(context, 'note'), 'hello');
    const lines: string[] = [];
    const id = await driver.buildImage(Readable.from(pack(context)), { tag: 'built:1', labels: { 'dev.cloister.test': 'build' } }, (line) =>
      lines.push(line),
    );
    expect(await driver.inspectImage('built:1')).toMatchObject({
      id,
      env: expect.arrayContaining(['NOTE=1']),
      labels: { 'dev.cloister.test': 'build' },
    });
    expect(lines.join('\n')).toContain('COPY note /note');
  });

  test('that fails says why', async () => {
    const context = mkdtempSync(path.join(stateDir, 'context-'));
    writeFileSync(path.join(context, 'Dockerfile'), 'FROM contract:1\nCOPY missing /missing\n');
    await expect(driver.buildImage(Readable.from(pack(context)), { tag: 'failed:1' })).rejects.toMatchObject({
      code: 'SANDBOX_FAILED',
      message: expect.stringContaining('missing'),
    });
  });
});

describe('an import', () => {
  test('that breaks off leaves no image', async () => {
    const broken = Readable.from(
      (async function* () {
        yield Buffer.alloc(512);
        throw new Error('source broke off');
      })(),
    );
    await expect(driver.importImage(broken, { repo: 'broken', tag: '1' })).rejects.toMatchObject({
      code: 'SANDBOX_FAILED',
      message: 'Cannot import image broken:1: source broke off',
    });
    expect(await driver.inspectImage('broken:1')).toBeNull();
  });
});

describe('an engine that cannot be used', () => {
  test('is reported with the call and the cause when nothing listens', async () => {
    const absent = new DockerDriver({ socketPath: path.join(stateDir, 'absent.sock') });
    await expect(absent.start('some-container')).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringMatching(/^Cannot start container some-container: .*ENOENT/),
    });
  });

  test.each([
    ['never answers', () => undefined, /did not answer within 0\.2 s/],
    [
      'answers nonsense',
      (socket: { end(text: string): void }) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'),
      /its answer is not understood/,
    ],
  ])('is reported when it %s', async (_case, answer, reason) => {
    const socketPath = path.join(stateDir, `odd-${(serial += 1)}.sock`);
    const server: Server = createServer((socket) => void socket.on('error', () => undefined).once('data', () => answer(socket)));
    await new Promise<void>((resolve) => void server.listen(socketPath, resolve));
    try {
      const odd = new DockerDriver({ socketPath, timeoutMs: 200 });
      await expect(odd.inspect('some-container')).rejects.toMatchObject({
        code: 'ENGINE_UNAVAILABLE',
        message: expect.stringMatching(reason),
      });
    } finally {
      server.close();
    }
  });
});

describe('the private engine', () => {
  test('is adopted by whoever starts it again', async () => {
    const again = await startPrivateEngine({ stateDir, log });
    expect(again).toMatchObject({ isAdopted: true, pid: engine.pid, socketPath: engine.socketPath });
    again.release();
  });

  test('killed by SIGKILL, its containers live on and the next one has them; its end leaves nothing', async () => {
    const ownState = mkdtempSync(path.join(tmpdir(), 'cloister-engine-'));
    const layout = engineLayout(ownState);
    const first = await startPrivateEngine({ stateDir: ownState, log });
    const own = new DockerDriver({ socketPath: first.socketPath });
    await own.importImage(rootFileSystem(), { repo: 'contract', tag: '1', changes: ['CMD ["/wait"]'] });
    const ids = await Promise.all(
      ['left-running', 'left-paused'].map((name) =>
        own.createContainer({ Image: 'contract:1', HostConfig: { NetworkMode: 'none' } }, name),
      ),
    );
    for (const id of ids) await own.start(id);
    await own.pause('left-paused');
    const pidBefore = (await own.inspect('left-running')).State.Pid;
    process.kill(first.pid, 'SIGKILL');
    await expect.poll(() => existsSync(`/proc/${first.pid}`)).toBe(false);
    first.release();
    // The pid file now names a process that is somebody else's.
    writeFileSync(layout.pidFile, String(process.pid));
    const second = await startPrivateEngine({ stateDir: ownState, log });
    expect(second.isAdopted).toBe(false);
    expect((await own.inspect('left-running')).State).toMatchObject({ Running: true, Pid: pidBefore });
    await second.stop();
    expect(await findEngineProcesses(layout)).toEqual([]);
    expect(existsSync(`/proc/${pidBefore}`)).toBe(false);
    expect(mountsBelow(await readFile('/proc/self/mountinfo', 'utf8'), layout.directory)).toEqual([]);
    expect([layout.socketPath, layout.execRoot, layout.pidFile].filter((file) => existsSync(file))).toEqual([]);
    expect(
      ['', 'memory', 'pids', 'cpu'].filter((controller) => existsSync(path.join('/sys/fs/cgroup', controller, layout.cgroupParent))),
    ).toEqual([]);
    rmSync(ownState, { recursive: true, force: true });
  }, 60_000);
});
