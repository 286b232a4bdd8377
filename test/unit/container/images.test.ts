// What operators add as images: what may come in, what is found in it, and that a name is pinned wholly or not at all.

import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { extract, pack } from 'tar-stream';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ImageFindingName } from '../../../client/protocol/images.ts';
import type { ImageDetails, ImageDriver } from '../../../daemon/container/driver.ts';
import { openBuildContext } from '../../../daemon/container/image/build-context.ts';
import { findingsOf, refused } from '../../../daemon/container/image/image-findings.ts';
import { type AddOrder, ImageShelf } from '../../../daemon/container/image/image-shelf.ts';
import { readImageTree } from '../../../daemon/container/image/image-tree.ts';
import { savedImage } from '../../../daemon/container/image/saved-image.ts';
import { FakeDriver } from '../../../daemon/testing/fake-driver.ts';
import { AuditHarness } from '../../support/audit-harness.ts';
import { codeOf } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { silentLog } from '../../support/fake-sandbox.ts';

type TarHeader = Parameters<ReturnType<typeof pack>['entry']>[0];

const HEX = 'a'.repeat(64);
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cl-img-'));
});
afterEach(() => rm(directory, { recursive: true }));

function tarOf(entries: readonly (readonly [TarHeader, string?])[]): AsyncIterable<Uint8Array> {
  const tar = pack();
  for (const [header, text] of entries) tar.entry(header, text ?? '');
  tar.finalize();
  return tar as AsyncIterable<Uint8Array>;
}

async function entriesOf(tar: AsyncIterable<Uint8Array>): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const archive = extract();
  Readable.from(tar).pipe(archive);
  for await (const entry of archive) {
    const text = (await buffer(entry)).toString();
    found[entry.header.name] = entry.header.type === 'symlink' ? `-> ${entry.header.linkname}` : text;
  }
  return found;
}

describe('an archive of docker save', () => {
  const manifest = JSON.stringify([{ Config: `${HEX}.json`, RepoTags: ['cloister-base:latest', 'x:1'], Layers: [`${HEX}/layer.tar`] }]);

  test('passes with one name, which is ours, and without what else could name it', async () => {
    const archive = tarOf([
      [{ name: `${HEX}.json` }, '{}'],
      [{ name: `${HEX}/`, type: 'directory' }],
      [{ name: `${HEX}/layer.tar` }, 'layer'],
      [{ name: `${'b'.repeat(64)}/layer.tar`, type: 'symlink', linkname: `../${HEX}/layer.tar` }],
      [{ name: 'repositories' }, '{"cloister-base":{"latest":"x"}}'],
      [{ name: 'index.json' }, '{}'],
      [{ name: 'oci-layout' }, '{}'],
      [{ name: 'manifest.json' }, manifest],
    ]);
    expect(await entriesOf(savedImage(archive, 'ours:1'))).toEqual({
      [`${HEX}.json`]: '{}',
      [`${HEX}/`]: '',
      [`${HEX}/layer.tar`]: 'layer',
      [`${'b'.repeat(64)}/layer.tar`]: `-> ../${HEX}/layer.tar`,
      'manifest.json': JSON.stringify([{ Config: `${HEX}.json`, RepoTags: ['ours:1'], Layers: [`${HEX}/layer.tar`] }]),
    });
  });

  test.each<[string, readonly [TarHeader, string?][]]>([
    ['a path that leads out', [[{ name: '../../etc/passwd' }, 'x']]],
    ['a symlink that leads out', [[{ name: `${HEX}/layer.tar`, type: 'symlink', linkname: '/etc/shadow' }]]],
    ['a device', [[{ name: `${HEX}/layer.tar`, type: 'character-device' }]]],
    ['a manifest that is no JSON', [[{ name: 'manifest.json' }, 'x']]],
    ['a manifest of more than 1 MiB', [[{ name: 'manifest.json' }, ' '.repeat(1024 * 1024 + 1)]]],
    ['no image in its manifest', [[{ name: 'manifest.json' }, '[]']]],
    ['layers outside of it', [[{ name: 'manifest.json' }, JSON.stringify([{ Config: `${HEX}.json`, Layers: ['/etc/shadow'] }])]]],
  ])('is none with %s', async (_, entries) => {
    expect(await codeOf(buffer(savedImage(tarOf(entries), 'ours:1')))).toBe('INVALID_REQUEST');
  });

  test('that ends early is none', async () => {
    const whole = await buffer(tarOf([[{ name: `${HEX}.json` }, 'x'.repeat(5000)]]));
    expect(await codeOf(buffer(savedImage(Readable.from([whole.subarray(0, 2000)]), 'ours:1')))).toBe('INVALID_REQUEST');
  });
});

const DETAILS: ImageDetails = {
  ...{
    id: `sha256:${HEX}`,
    repoTags: [],
    repoDigests: [],
    architecture: 'amd64',
    os: 'linux',
    sizeBytes: 1,
    user: '',
    env: [],
    entrypoint: [],
  },
  ...{ cmd: [], workingDir: '', labels: {}, volumes: [], exposedPorts: [], hasHealthcheck: false },
};
const SHELL: readonly [TarHeader, string?] = [{ name: 'bin/sh' }, 'x'];

describe('a check finds', () => {
  test.each<[ImageFindingName, string, readonly (readonly [TarHeader, string?])[], Partial<ImageDetails>]>([
    ['setuid-files', '/bin/su', [SHELL, [{ name: './bin/su', mode: 0o4755 }, 'x']], {}],
    ['setuid-files', '/bin/wall', [SHELL, [{ name: 'bin/wall', mode: 0o2755 }, 'x']], {}],
    ['file-capabilities', '/bin/ping', [SHELL, [{ name: 'bin/ping', pax: { 'SCHILY.xattr.security.capability': '\u0001' } }, 'x']], {}],
    ['device-files', '/root/mem', [SHELL, [{ name: 'root/mem', type: 'character-device' }]], {}],
    ['linked-mount-points', '/workspace', [SHELL, [{ name: 'workspace', type: 'symlink', linkname: '/etc' }]], {}],
    ['linked-mount-points', '/etc/passwd', [SHELL, [{ name: 'etc/passwd/', type: 'directory' }]], {}],
    ['no-shell', 'neither sh nor bash', [], {}],
    ['volumes', '/data', [SHELL], { volumes: ['/data'] }],
    ['entrypoint', '/start: never started', [SHELL], { entrypoint: ['/start'] }],
    ['loader-environment', 'LD_PRELOAD: dropped', [SHELL], { env: ['LD_PRELOAD=/x.so', 'A=1'] }],
    ['huge-environment', '1 variables', [SHELL], { env: [`A=${'x'.repeat(40_000)}`] }],
    ['large-image', `${5 * 1024 ** 3} bytes`, [SHELL], { sizeBytes: 5 * 1024 ** 3 }],
    ['wrong-platform', 'linux/arm64, here is linux/amd64', [SHELL], { architecture: 'arm64' }],
    ['exposed-ports', '22/tcp', [SHELL], { exposedPorts: ['22/tcp'] }],
    ['user', 'app', [SHELL], { user: 'app' }],
    ['healthcheck', 'never run', [SHELL], { hasHealthcheck: true }],
  ])('%s: %s', async (name, detail, entries, details) => {
    const findings = findingsOf({ ...DETAILS, ...details }, await readImageTree(tarOf(entries)), 'x86_64');
    expect(findings).toEqual([{ name, weight: expect.any(String) as string, detail: expect.stringContaining(detail) as string }]);
  });

  test('nothing in an ordinary image, where directories are setgid and /dev has its devices', async () => {
    const tree = await readImageTree(
      tarOf([SHELL, [{ name: 'var/mail/', type: 'directory', mode: 0o2775 }], [{ name: 'dev/null', type: 'character-device' }]]),
    );
    expect(findingsOf(DETAILS, tree, 'x86_64')).toEqual([]);
  });

  test('more than it names', async () => {
    const many = Array.from({ length: 1000 }, (_, n): readonly [TarHeader, string] => [{ name: `bin/su${n}`, mode: 0o4755 }, '']);
    const [finding] = findingsOf(DETAILS, await readImageTree(tarOf([SHELL, ...many])), 'x86_64');
    expect(finding?.detail).toMatch(/^\/bin\/su0, .* and 992 more$/);
  });

  test('what is never accepted, whatever is asked for', () => {
    const findings = findingsOf({ ...DETAILS, volumes: ['/x'], entrypoint: ['y'], user: 'z' }, { ...TREE, hasShell: true }, 'x86_64');
    expect(refused(findings, ['volumes', 'entrypoint']).map(({ name }) => name)).toEqual(['volumes']);
    expect(refused(findings, []).map(({ name }) => name)).toEqual(['volumes', 'entrypoint']);
  });
});

const none = () => ({ paths: [], count: 0 });
const TREE = { setIds: none(), capabilities: none(), devices: none(), mountPoints: none(), hasShell: true };

describe('a build context', () => {
  test('has symlinks as symlinks, no sockets, and nothing that .dockerignore names but the Dockerfile', async () => {
    await writeFile(join(directory, 'Dockerfile'), 'FROM x');
    await writeFile(join(directory, '.dockerignore'), '*\n!kept\n');
    await writeFile(join(directory, 'kept'), 'k');
    await writeFile(join(directory, 'secret'), 's');
    expect(Object.keys(await entriesOf(await openBuildContext(directory))).sort()).toEqual(['.', '.dockerignore', 'Dockerfile', 'kept']);
    await rm(join(directory, '.dockerignore'));
    await symlink('/etc/shadow', join(directory, 'shadow'));
    const server = createServer().listen(join(directory, 'socket'));
    try {
      const found = await entriesOf(await openBuildContext(directory));
      expect(found).toMatchObject({ shadow: '-> /etc/shadow', secret: 's' });
      expect(found).not.toHaveProperty('socket');
    } finally {
      server.close();
    }
  });

  test('that is too large is given up', async () => {
    await writeFile(join(directory, 'Dockerfile'), 'FROM x');
    await writeFile(join(directory, 'large'), Buffer.alloc(100_000));
    expect(await codeOf(openBuildContext(directory, { maxBytes: 50_000 }).then(buffer))).toBe('TOO_LARGE');
  });

  test('is none without a Dockerfile, or where that is a symlink', async () => {
    expect(await codeOf(openBuildContext(directory))).toBe('INVALID_REQUEST');
    await symlink('/etc/passwd', join(directory, 'Dockerfile'));
    expect(await codeOf(openBuildContext(directory))).toBe('INVALID_REQUEST');
  });
});

describe('a name', () => {
  const audits = new AuditHarness();
  afterAll(() => audits[Symbol.dispose]());

  async function open(more: { readonly configured?: Record<string, string>; readonly users?: Map<string, string[]> } = {}) {
    const driver = new FakeDriver();
    driver.addImage('python:3');
    const images: ImageDriver = {
      loadImage: async () => undefined,
      pullImage: async () => undefined,
      exportContainer: async (_id, _options, use) => use(tarOf([SHELL])),
      tagsOf: async () => [],
    };
    const audit = await audits.open();
    const stateDir = join(directory, 'state');
    await mkdir(stateDir, { recursive: true });
    const shelf = await ImageShelf.open({
      ...{ stateDir, instanceId: 'test', driver, images, buildNetwork: undefined, architecture: 'x86_64', baseImage: 'sha256:base', audit },
      ...{ clock: new FakeClock(), log: silentLog, configured: () => more.configured ?? {}, users: async () => more.users ?? new Map() },
    });
    const order = (name: string, signal = new AbortController().signal): AddOrder => ({
      ...{ name, from: { kind: 'pull', reference: 'python:3' }, accept: [], source: Readable.from([]), by: 'operator:test', signal },
      tell: () => undefined,
    });
    return { shelf, driver, images, audit, order, onDisk: () => readFile(join(stateDir, 'images.json'), 'utf8').catch(() => 'none') };
  }

  test('is added once when two want it at the same time', async () => {
    const { shelf, order, audit } = await open();
    const outcomes = await Promise.allSettled([shelf.add(order('a')), shelf.add(order('a'))]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(Object.keys(shelf.references)).toEqual(['a']);
    expect(await codeOf(shelf.add(order('a')))).toBe('INVALID_REQUEST');
    await audit.close();
  });

  test('waits where too many are being added, and is free again when one was given up', async () => {
    const { shelf, order, audit, images, driver } = await open();
    const stop = new AbortController();
    Object.assign(images, {
      exportContainer: () => new Promise((_, reject) => stop.signal.addEventListener('abort', () => reject(stop.signal.reason))),
    });
    const waiting = ['a', 'b'].map((name) => shelf.add(order(name, stop.signal)));
    expect(await codeOf(shelf.add(order('c')))).toBe('CAPACITY');
    stop.abort(new Error('given up'));
    expect((await Promise.allSettled(waiting)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect([shelf.references, await driver.list({ all: true })]).toEqual([{}, []]);
    Object.assign(images, {
      exportContainer: async (_id: string, _options: object, use: (tar: unknown) => unknown) => use(tarOf([SHELL])),
    });
    expect((await shelf.add(order('a'))).name).toBe('a');
    await audit.close();
  });

  test('is neither in memory nor on disk nor in the engine if it cannot be put on record', async () => {
    const { shelf, order, audit, driver, onDisk } = await open();
    await audit.close();
    expect(await codeOf(shelf.add(order('a')))).not.toBe('no error');
    expect([shelf.references, await onDisk()]).toEqual([{}, 'none']);
    expect(driver.calls.filter((call) => call.startsWith('removeImage cloister-images-test:'))).toHaveLength(2);
    expect(await codeOf(shelf.add(order('a')))).not.toBe('INVALID_REQUEST');
  });

  test('that the configuration has is not added, and holds before one that was added earlier', async () => {
    const configured: Record<string, string> = {};
    const { shelf, order, audit } = await open({ configured });
    await shelf.add(order('a'));
    configured['a'] = 'python:3';
    configured['b'] = 'python:3';
    expect(await codeOf(shelf.add(order('b')))).toBe('INVALID_REQUEST');
    expect((await shelf.list()).map(({ name, source }) => `${name} ${source}`)).toEqual([
      'base base',
      'a configuration',
      'b configuration',
    ]);
    await audit.close();
  });

  test('is not removed while something is made from it, which is named', async () => {
    const users = new Map([['a', ['sb_x (acme/build)']]]);
    const { shelf, order, audit, onDisk } = await open({ users });
    const { id } = await shelf.add(order('a'));
    await expect(shelf.remove('a', 'me')).rejects.toThrow('it is used by sb_x (acme/build)');
    expect(shelf.references).toEqual({ a: id });
    users.clear();
    await shelf.remove('a', 'me');
    expect([shelf.references, await onDisk()]).toEqual([{}, '{"version":1,"images":[]}']);
    await audit.close();
  });

  test('is not guessed from a file that is damaged', async () => {
    await mkdir(join(directory, 'state'));
    await writeFile(join(directory, 'state', 'images.json'), '{"version":1,"images":[{"name":"a","id":"latest"}]}');
    await expect(open()).rejects.toThrow('Cannot read state file');
  });
});
