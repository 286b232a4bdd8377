// Images that operators add to a running daemon, typed as they type them, on a real engine: built, loaded and pulled, checked,
// pinned, used, and taken away again.

import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import Docker from 'dockerode';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Cloister } from '../../client/index.ts';
import { DockerImages } from '../../daemon/container/docker-images.ts';
import { codeOf, eventually } from '../support/eventually.ts';
import { engineSocket, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { emptyImage } from '../support/test-engine.ts';
import { type Typed, typeCli, type Typing } from '../support/typed-cli.ts';

/** Only guards against a hang: a check reads half a gigabyte. */
vi.setConfig({ testTimeout: 240_000 });

/** What no registry needs to be asked for. */
const OTHER = 'cloister-test-other';

const CONFIG = () => ({ images: { allow: { listed: process.env['CLOISTER_TEST_IMAGE'] } } });

let directory: string;
let stateDir: string;
let daemon: TestDaemon;
let client: Cloister;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cl-tiv-'));
  stateDir = await mkdtemp(join(tmpdir(), 'cl-td-'));
  daemon = await startTestDaemon({ stateDir, config: CONFIG() });
  client = await daemon.connect('acme');
});
afterAll(async () => {
  for (const { name } of (await (await asOperator()).images.list()).filter(({ source }) => source === 'added'))
    await (await asOperator()).images.remove(name);
  await daemon[Symbol.asyncDispose]();
  await daemon.driver.removeImage(`${OTHER}:1`);
  await rm(directory, { recursive: true });
});

const start = (...args: readonly string[]): Typing => typeCli(stateDir, ['image', ...args]);
const type = (...args: readonly string[]): Promise<Typed> => start(...args).ended;

async function asOperator(): Promise<Cloister> {
  return await daemon.connect('acme', { token: await daemon.token(null, { role: 'operator' }) });
}

async function context(name: string, lines: readonly string[]): Promise<string> {
  const path = join(directory, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'Dockerfile'), ['ARG CLOISTER_BASE', 'FROM ${CLOISTER_BASE}', ...lines, ''].join('\n'));
  return path;
}

/** References that this daemon holds in the engine. */
const ourTags = async (): Promise<readonly string[]> => {
  const instance = (await readFile(join(stateDir, 'instance-id'), 'utf8')).trim();
  return new DockerImages({ socketPath: engineSocket() }).tagsOf(`cloister-images-${instance}`);
};
const names = async (): Promise<string[]> =>
  (JSON.parse((await type('list', '--json')).out) as { name: string; source: string }[]).map(({ name, source }) => `${name} ${source}`);
const records = async (): Promise<Record<string, unknown>[]> =>
  (await readFile(join(stateDir, 'audit.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line.includes('"kind":"image.'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('an image built from a Dockerfile', () => {
  test('is added with its progress shown, used by its name, found in the list, and survives a restart', async () => {
    const from = await context('tools', ['RUN echo 7 > /etc/tools-version', 'COPY . /seen']);
    await symlink('/etc/shadow', join(from, 'shadow'));
    await symlink(directory, join(from, 'above'));
    await writeFile(join(from, 'secret.env'), 'KEY=1');
    await writeFile(join(from, '.dockerignore'), '*.env\n');
    const built = await type('add', 'tools', '--from', from);
    expect(built.err).toContain('its steps have no network');
    expect(built.err).toContain('RUN echo 7');
    expect(built).toMatchObject({ code: 0, out: expect.stringMatching(/^tools is sha256:[0-9a-f]{64}, /) as string });
    const [, id = ''] = /(sha256:[0-9a-f]{64})/.exec(built.out) ?? [];
    await daemon.stop('close');
    daemon = await startTestDaemon({ stateDir, config: CONFIG() });
    client = await daemon.connect('acme');
    const sandbox = await client.open({ session: 'uses-it', image: 'tools' });
    expect(sandbox.receipt.image).toEqual({ name: 'tools', id });
    expect((await sandbox.exec('cat /etc/tools-version')).stdout).toBe('7\n');
    expect(await names()).toEqual(['base base', 'listed configuration', 'tools added']);
    const shown = JSON.parse(await readFile(join(stateDir, 'images.json'), 'utf8')) as object;
    expect(shown).toMatchObject({ images: [{ name: 'tools', id, from: { kind: 'build', network: false }, accepted: [] }] });
    expect((await stat(join(stateDir, 'images.json'))).mode & 0o777).toBe(0o600);
    const { config } = await (await asOperator()).operations.config();
    expect(config).toMatchObject({ images: { allow: { tools: id } } });
  });

  test('has of its context neither what symlinks lead to nor what .dockerignore names', async () => {
    const sandbox = await client.open({ session: 'uses-it', image: 'tools' });
    expect((await sandbox.exec('cd /seen && find . | sort && readlink shadow above')).stdout).toBe(
      `.\n./.dockerignore\n./Dockerfile\n./above\n./shadow\n/etc/shadow\n${directory}\n`,
    );
  });

  test('is not taken away while a sandbox of it lives, which is named; afterwards it is, and its content with it', async () => {
    const { images } = await asOperator();
    const [tools] = (await images.list()).filter(({ name }) => name === 'tools');
    expect(await type('remove', 'tools')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/SESSION_BUSY.*sb_.*acme\/uses-it/) as string,
    });
    await (await client.open({ session: 'uses-it', image: 'tools' })).close({ workspace: 'delete' });
    expect(await type('remove', 'tools')).toMatchObject({ code: 0, out: 'tools removed\n' });
    expect(await names()).toEqual(['base base', 'listed configuration']);
    expect(await daemon.driver.inspectImage(tools?.id ?? '')).toBeNull();
    expect(await codeOf(client.open({ session: 'late', image: 'tools' }))).toBe('IMAGE_NOT_ALLOWED');
    expect(await ourTags()).toEqual([]);
  });

  test('with setuid programs and an entry point is refused by their names, and added once both are accepted', async () => {
    await emptyImage(daemon.driver);
    const from = await context('hostile', []);
    const root = pack();
    root.entry({ name: 'bin/sh', mode: 0o755 }, 'x');
    root.entry({ name: 'bin/rootsh', mode: 0o4755 }, 'x');
    root.entry({ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 });
    root.finalize();
    await writeFile(join(from, 'root.tar'), root as AsyncIterable<Uint8Array>);
    const lines = [
      'FROM cloister-test-empty:latest',
      'ADD root.tar /',
      'ENTRYPOINT ["/bin/rootsh"]',
      'EXPOSE 22',
      'ENV LD_PRELOAD=/x.so',
      '',
    ];
    await writeFile(join(from, 'Dockerfile'), lines.join('\n'));
    const refused = await type('add', 'hostile', '--from', from);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toMatch(/^setuid-files +refused +\/bin\/rootsh$/m);
    expect(refused.err).toMatch(/^device-files +refused +\/null$/m);
    expect(refused.err).toMatch(/^exposed-ports +note +22\/tcp: not published$/m);
    expect(refused.err).toContain('IMAGE_NOT_ALLOWED');
    expect(refused.err).toContain('--accept setuid-files,device-files,entrypoint,loader-environment');
    expect([await names(), await ourTags()]).toEqual([['base base', 'listed configuration'], []]);
    const accepting = ['--accept', 'setuid-files,device-files', '--accept', 'entrypoint,loader-environment'];
    const added = await type('add', 'hostile', '--from', from, ...accepting, '--json');
    expect(JSON.parse(added.out)).toMatchObject({
      name: 'hostile',
      accepted: ['setuid-files', 'device-files', 'entrypoint', 'loader-environment'],
    });
    await using sandbox = await client.open({ session: 'hostile', image: 'hostile' });
    expect(sandbox.receipt).toMatchObject({ image: { name: 'hostile' }, noNewPrivs: true, capabilities: { bounding: [] } });
  });

  test('with volumes or a symlink where /workspace is mounted is refused whatever is accepted', async () => {
    await emptyImage(daemon.driver);
    const from = join(directory, 'never');
    await mkdir(from);
    await symlink('/etc', join(from, 'workspace'));
    await writeFile(join(from, 'Dockerfile'), 'FROM cloister-test-empty:latest\nCOPY . /\nVOLUME /data\n');
    const { code, err } = await type('add', 'never', '--from', from, '--accept', 'volumes,linked-mount-points,no-shell');
    expect([code, err]).toEqual([1, expect.stringMatching(/^volumes +refused +\/data$/m)]);
    expect(err).toMatch(/^linked-mount-points +refused +\/workspace$/m);
    expect(await ourTags()).toHaveLength(1);
  });
});

describe('nothing half-added is left', () => {
  test('when a build is interrupted', async () => {
    const typed = start('add', 'slow', '--from', await context('slow', ['RUN sleep 600']));
    await eventually(
      () => typed.said.err,
      (text) => text.includes('RUN sleep 600'),
    );
    const rival = await type('add', 'slow', '--from', await context('rival', []));
    expect(rival.err).toContain('one of this name is being added');
    typed.interrupt();
    expect(await typed.ended).toMatchObject({ code: 1, err: expect.stringContaining('interrupted; nothing was added') as string });
    // The daemon has let go of the name as well.
    await eventually(records, (all) => all.some(({ name, outcome }) => name === 'slow' && outcome === 'given up'));
    expect(await names()).not.toContain('slow added');
    expect((await ourTags()).filter((tag) => tag.includes(':adding-'))).toEqual([]);
  });

  test('when the connection of whoever adds is lost', async () => {
    const lost = await daemon.connect('acme', { token: await daemon.token(null, { role: 'operator' }), reconnect: { giveUpAfterMs: 0 } });
    const waiting = lost.images.add('lost', {
      kind: 'build',
      // Never ends by itself.
      context: (async function* () {
        yield new Uint8Array(512);
        await new Promise(() => undefined);
      })(),
    });
    waiting.catch(() => undefined);
    await lost.close();
    expect(await codeOf(waiting)).toBe('CLOSED');
    await eventually(records, (all) => all.some(({ name, outcome }) => name === 'lost' && outcome === 'given up'));
    expect(await names()).not.toContain('lost added');
  });
});

describe('an archive of docker save', () => {
  const file = (): string => join(directory, 'other.tar');

  test('is loaded under no name of its own', async () => {
    const empty = await emptyImage(daemon.driver);
    await daemon.driver.tagImage(empty, { repo: OTHER, tag: '1' });
    await pipeline(await new Docker({ socketPath: engineSocket() }).getImage(`${OTHER}:1`).get(), createWriteStream(file()));
    await daemon.driver.removeImage(`${OTHER}:1`);
    const refused = await type('add', 'other', '--from', file());
    expect(refused.err).toMatch(/^no-shell +refused/m);
    expect((await type('add', 'other', '--from', file(), '--accept', 'no-shell')).code).toBe(0);
    expect(await daemon.driver.inspectImage(`${OTHER}:1`)).toBeNull();
    const other = (await (await asOperator()).images.list()).find(({ name }) => name === 'other');
    expect(other).toMatchObject({ id: empty, added: { from: { kind: 'load' }, accepted: ['no-shell'] } });
  });

  test('is not just any file', async () => {
    const path = join(directory, 'wrong.tar');
    await writeFile(path, 'this is no archive'.repeat(1000));
    const { code, err } = await type('add', 'wrong', '--from', path);
    expect([code, err]).toEqual([1, expect.stringMatching(/INVALID_REQUEST.*this is no archive of one image/)]);
  });
});

describe('a reference', () => {
  test('that the engine has is pinned to what it means now', async () => {
    const empty = await emptyImage(daemon.driver);
    const other = (await daemon.driver.inspectImage(process.env['CLOISTER_TEST_IMAGE'] ?? ''))?.id ?? '';
    await daemon.driver.tagImage(empty, { repo: OTHER, tag: '1' });
    expect((await type('add', 'pulled', '--from', `${OTHER}:1`, '--accept', 'no-shell')).code).toBe(0);
    await daemon.driver.tagImage(other, { repo: OTHER, tag: '1' });
    await using sandbox = await client.open({ session: 'pulled', image: 'pulled' });
    expect(sandbox.receipt.image.id).toBe(empty);
  });

  test('of a registry that is not there is refused with the reason and what helps', async () => {
    const { code, err } = await type('add', 'far', '--from', '127.0.0.1:9/no/such:1');
    expect([code, err]).toEqual([1, expect.stringMatching(/ENGINE_UNAVAILABLE: .*cannot reach its registry/)]);
    expect(err).toContain('--from FILE.tar');
  });
});

test('names, findings and sources that are none are refused before anything is done', async () => {
  const from = await context('plain', []);
  const outcomes = await Promise.all(
    [
      ['add', 'listed', '--from', from],
      ['add', 'base', '--from', from],
      ['add', '../x', '--from', from],
      ['add', 'x', '--from', './nothing-here'],
      ['add', 'x', '--from', directory],
      ['add', 'x', '--from', from, '--accept', 'everything'],
      ['remove', 'listed'],
      ['remove', 'nothing'],
    ].map(async (args) => (await type(...args)).err.split('\n')[0]),
  );
  expect(outcomes).toEqual([
    expect.stringMatching(/INVALID_REQUEST.*images.allow of the configuration has one/),
    expect.stringMatching(/INVALID_REQUEST.*base is what set-up builds/),
    expect.stringMatching(/INVALID_REQUEST.*name/),
    expect.stringMatching(/INVALID_REQUEST.*it does not exist/),
    expect.stringMatching(/INVALID_REQUEST.*no file Dockerfile/),
    expect.stringMatching(/Must be among setuid-files/),
    expect.stringMatching(/INVALID_REQUEST.*of the configuration/),
    expect.stringMatching(/NOT_FOUND.*none of this name was added/),
  ]);
});

test('a tenant neither adds nor sees, and each addition, refusal and removal is on record', async () => {
  expect(await codeOf(client.images.list())).toBe('FORBIDDEN');
  expect(await codeOf(client.images.add('x', { kind: 'pull', reference: 'x:1' }))).toBe('FORBIDDEN');
  const told = (await records()).map(({ kind, name, outcome, code }) => [kind, name, outcome, code].filter(Boolean).join(' '));
  expect(told).toEqual(
    expect.arrayContaining([
      'image.add tools done',
      'image.remove tools failed SESSION_BUSY',
      'image.remove tools done',
      'image.add hostile failed IMAGE_NOT_ALLOWED',
      'image.add hostile done',
    ]),
  );
});

test('what a killed daemon left in the middle of adding is gone after the next start', async () => {
  const [tag = ''] = await ourTags();
  const left = { repo: tag.split(':')[0] ?? '', tag: 'adding-0123456789abcdef' };
  await daemon.driver.tagImage(await emptyImage(daemon.driver), left);
  await daemon.stop('close');
  daemon = await startTestDaemon({ stateDir, config: CONFIG() });
  expect(await daemon.driver.inspectImage(`${left.repo}:${left.tag}`)).toBeNull();
  expect(await names()).toEqual(expect.arrayContaining(['hostile added', 'pulled added']));
});
