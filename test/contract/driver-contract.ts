// What every ContainerDriver promises. One suite, run on the fake and on a real engine.
import type { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { ContainerCreateBody, ContainerDriver } from '../../daemon/container/driver.ts';

export interface DriverUnderTest {
  readonly driver: ContainerDriver;
  /** An image whose command never ends by itself. */
  readonly image: string;
  /** A whole root file system as a tar stream. */
  rootFileSystem(): Readable;
  /** A fresh name. */
  name(): string;
}

export function driverContract(kind: string, subject: () => DriverUnderTest): void {
  const body = (changes: Partial<ContainerCreateBody> = {}): ContainerCreateBody => ({
    Image: subject().image,
    User: '200001:200001',
    Env: ['LANG=C.UTF-8'],
    Labels: { 'dev.cloister.test': 'contract' },
    HostConfig: {
      NetworkMode: 'none',
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      Memory: 64 << 20,
      MemorySwap: 64 << 20,
      PidsLimit: 32,
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'none' },
    },
    ...changes,
  });
  const withContainer = async (
    use: (id: string, driver: ContainerDriver, name: string) => Promise<void>,
    changes?: Partial<ContainerCreateBody>,
  ): Promise<void> => {
    const { driver, name } = subject();
    const chosen = name();
    const id = await driver.createContainer(body(changes), chosen);
    try {
      await use(id, driver, chosen);
    } finally {
      await driver.remove(id, { force: true });
    }
  };

  describe(`container driver (${kind})`, () => {
    test('says what the engine is and can do', async () => {
      const { driver } = subject();
      await driver.ping();
      expect((await driver.version()).apiVersion).toMatch(/^1\.\d+$/);
      const info = await driver.info();
      expect(info.runtimes).toContain(info.defaultRuntime);
      expect(['1', '2']).toContain(info.cgroupVersion);
    });

    test('reads back every setting it was asked for', () =>
      withContainer(async (id, driver, name) => {
        const inspect = await driver.inspect(id);
        expect(inspect).toMatchObject({ Id: id, Name: `/${name}`, State: { Status: 'created', Running: false, Pid: 0 } });
        expect(inspect.Config.User).toBe('200001:200001');
        expect(inspect.Config.Labels).toMatchObject({ 'dev.cloister.test': 'contract' });
        expect(inspect.Config.Env).toContain('LANG=C.UTF-8');
        expect(inspect.HostConfig).toMatchObject({
          Privileged: false,
          CapAdd: [],
          CapDrop: ['ALL'],
          SecurityOpt: ['no-new-privileges'],
          ReadonlyRootfs: true,
          NetworkMode: 'none',
          Binds: [],
          Devices: [],
          Memory: 64 << 20,
          MemorySwap: 64 << 20,
          PidsLimit: 32,
          LogConfig: { Type: 'none' },
          RestartPolicy: { Name: 'no' },
        });
        expect(inspect.Image).toBe((await driver.inspectImage(subject().image))?.id);
      }));

    test('a container lives from start to kill and its end is told', () =>
      withContainer(async (id, driver) => {
        await driver.start(id);
        const running = await driver.inspect(id);
        expect(running.State).toMatchObject({ Status: 'running', Running: true });
        expect(running.State.Pid).toBeGreaterThan(1);
        const end = driver.waitForEnd(id);
        await driver.kill(id);
        expect(await end).toEqual({ exitCode: 137, error: '' });
        await expect(driver.kill(id)).resolves.toBeUndefined();
      }));

    test('waiting is given up when its signal aborts', () =>
      withContainer(async (id, driver) => {
        await driver.start(id);
        const controller = new AbortController();
        const end = driver.waitForEnd(id, { signal: controller.signal });
        controller.abort(new Error('no longer wanted'));
        await expect(end).rejects.toThrow('no longer wanted');
      }));

    test('limits change while it runs', () =>
      withContainer(async (id, driver) => {
        await driver.start(id);
        await driver.updateLimits(id, { memoryBytes: 96 << 20, cpus: 0.5, pids: 48 });
        expect((await driver.inspect(id)).HostConfig).toMatchObject({
          Memory: 96 << 20,
          MemorySwap: 96 << 20,
          NanoCpus: 500_000_000,
          PidsLimit: 48,
        });
      }));

    test('pause and unpause follow each other at once', () =>
      withContainer(async (id, driver) => {
        await driver.start(id);
        for (let round = 0; round < 5; round += 1) {
          await driver.pause(id);
          await driver.unpause(id);
        }
        await driver.pause(id);
        await expect.poll(async () => (await driver.inspect(id)).State.Paused).toBe(true);
        await driver.pause(id);
      }));

    test('pausing what does not run is refused', () =>
      withContainer(async (id, driver) => {
        await expect(driver.pause(id)).rejects.toMatchObject({ code: 'SANDBOX_FAILED', message: expect.stringContaining('not running') });
      }));

    test('lists by label, and stopped ones only when asked', () =>
      withContainer(
        async (id, driver) => {
          const ids = async (filter: Parameters<ContainerDriver['list']>[0]): Promise<string[]> =>
            (await driver.list(filter)).map((entry) => entry.id);
          expect(await ids({ labels: { 'dev.cloister.one': 'yes' } })).toEqual([]);
          expect(await ids({ labels: { 'dev.cloister.one': 'yes' }, all: true })).toEqual([id]);
          expect(await ids({ labels: { 'dev.cloister.one': null }, all: true })).toEqual([id]);
          expect(await ids({ labels: { 'dev.cloister.one': 'no' }, all: true })).toEqual([]);
          await driver.start(id);
          expect((await driver.list({ labels: { 'dev.cloister.one': 'yes' } }))[0]).toMatchObject({
            id,
            state: 'running',
            labels: { 'dev.cloister.one': 'yes' },
          });
        },
        { Labels: { 'dev.cloister.one': 'yes' } },
      ));

    test('a name is given once', () =>
      withContainer(async (_id, driver, name) => {
        await expect(driver.createContainer(body(), name)).rejects.toMatchObject({
          code: 'SANDBOX_FAILED',
          message: expect.stringContaining('already in use'),
        });
      }));

    test('a running container is only removed by force, and twice is once', () =>
      withContainer(async (id, driver) => {
        await driver.start(id);
        await expect(driver.remove(id)).rejects.toMatchObject({ code: 'SANDBOX_FAILED' });
        await driver.remove(id, { force: true });
        await driver.remove(id, { force: true });
        await expect(driver.inspect(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      }));

    test.each([
      ['start', (driver: ContainerDriver) => driver.start('no-such-container')],
      ['inspect', (driver: ContainerDriver) => driver.inspect('no-such-container')],
      ['kill', (driver: ContainerDriver) => driver.kill('no-such-container')],
      ['pause', (driver: ContainerDriver) => driver.pause('no-such-container')],
      ['update', (driver: ContainerDriver) => driver.updateLimits('no-such-container', { pids: 3 })],
      ['wait for', (driver: ContainerDriver) => driver.waitForEnd('no-such-container')],
    ])('cannot %s what does not exist', async (verb, call) => {
      await expect(call(subject().driver)).rejects.toMatchObject({
        code: 'NOT_FOUND',
        message: expect.stringContaining(`Cannot ${verb} container no-such-container: `),
      });
    });

    test('cannot create from an image that is not there', async () => {
      const { driver, name } = subject();
      await expect(driver.createContainer(body({ Image: 'no-such-image:1' }), name())).rejects.toMatchObject({
        code: 'NOT_FOUND',
        message: expect.stringContaining('No such image'),
      });
      expect(await driver.inspectImage('no-such-image:1')).toBeNull();
    });

    test('a name cannot reach another part of the Engine API', async () => {
      const { driver } = subject();
      await expect(driver.createContainer(body(), '../images/json')).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    });

    test('imports, tags and removes an image', async () => {
      const { driver, rootFileSystem, name } = subject();
      const repo = `${name()}-import`;
      const id = await driver.importImage(rootFileSystem(), { repo, tag: 'one', changes: ['ENV A=b', 'LABEL dev.cloister.test=contract'] });
      expect(await driver.inspectImage(`${repo}:one`)).toMatchObject({
        id,
        env: ['A=b'],
        labels: { 'dev.cloister.test': 'contract' },
        volumes: [],
        entrypoint: [],
        hasHealthcheck: false,
      });
      await driver.tagImage(`${repo}:one`, { repo, tag: 'two' });
      expect((await driver.inspectImage(`${repo}:two`))?.id).toBe(id);
      await driver.removeImage(`${repo}:one`);
      await driver.removeImage(`${repo}:two`);
      await driver.removeImage(`${repo}:two`);
      expect(await driver.inspectImage(id)).toBeNull();
    });

    test('an aborted call does not begin', async () => {
      const signal = AbortSignal.abort(new Error('stopped before'));
      await expect(subject().driver.ping({ signal })).rejects.toThrow('stopped before');
    });
  });
}
