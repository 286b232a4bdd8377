// The guides do what they say: each block of docs/ that is to be run is run as written, in order, against a real daemon with the
// built command line, in a throw-away directory for each page; what follows as output is what came out.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GuideBlock, guideBlocks, outputPattern } from '../support/documents/guide-blocks.ts';
import { GUIDES } from '../support/documents/guides.ts';
import { startTestNames, type TestNames } from '../support/egress-names.ts';
import { startTestOrigin, type TestOrigin } from '../support/egress-origins.ts';
import { type SpawnedDaemon, spawnTestDaemon } from '../support/test-daemon.ts';

const PACKAGE_ROOT = join(import.meta.dirname, '../..');
/** Stands for the hosts that the guides name. */
const ADDRESS = '127.81.7.1';
/** The file of a page that is the daemon's. */
const CONFIG_FILE = 'cloister.config.json';
/** Guards against a hang; pages run at once and wait for each other's containers. */
const LIMIT_MS = 400_000;
const TSX = fileURLToPath(import.meta.resolve('tsx'));

let names: TestNames;
let origin: TestOrigin;
let daemon: SpawnedDaemon;
let configFile: string;
let config: Record<string, unknown>;
let directory: string;

beforeAll(async () => {
  origin = await startTestOrigin({ address: ADDRESS, names: ['example.com'] });
  names = await startTestNames({ 'example.com': [ADDRESS], 'api.example.com': [ADDRESS], 'other.example.net': [ADDRESS] });
  daemon = await spawnTestDaemon({ config: { egress: { resolver: names.address, allowPrivate: [`${ADDRESS}/32`] } } });
  configFile = join(daemon.stateDir, 'test-config.json');
  // As an operator's would be; doctor looks.
  await chmod(configFile, 0o600);
  config = JSON.parse(await readFile(configFile, 'utf8')) as Record<string, unknown>;
  directory = await mkdtemp(join(tmpdir(), 'cl-docs-'));
  await mkdir(join(directory, 'bin'));
  await symlink(join(PACKAGE_ROOT, 'dist/daemon/main.js'), join(directory, 'bin/cloister'));
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await names[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** What a guide calls by its usual place, here. */
const asHere = (block: string): string =>
  block
    .replaceAll('/etc/cloister/cloister.config.json', configFile)
    .replaceAll('/var/lib/cloister', daemon.stateDir)
    .replaceAll('ws://127.0.0.1:7070', daemon.url);

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** One terminal for a page: what a block exports, the next one has. */
async function run(block: Extract<GuideBlock, { kind: 'run' }>, place: string): Promise<Ran> {
  const program = join(place, `block-${block.line}.${block.language === 'ts' ? 'mts' : 'sh'}`);
  await writeFile(program, asHere(block.text));
  const line =
    block.language === 'ts'
      ? `exec node --import "${TSX}" "${program}"`
      : `set -eo pipefail\n. "${program}"\nexport -p > "${place}/exports"`;
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(CLOISTER_|DOCKER_HOST$|NODE_OPTIONS$|VITEST)/.test(name)),
  );
  const child = spawn('bash', ['-c', `[ ! -e "${place}/exports" ] || . "${place}/exports"\n${line}`], {
    cwd: place,
    env: { ...env, CLOISTER_CONFIG: configFile, PATH: `${directory}/bin:${process.env['PATH'] ?? ''}`, HOME: place, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { out, err, code: code as number | null };
}

async function write(block: Extract<GuideBlock, { kind: 'file' }>, place: string): Promise<void> {
  await mkdir(dirname(join(place, block.name)), { recursive: true });
  await writeFile(join(place, block.name), `${block.text}\n`);
  // The daemon's own file is the page's, with what makes this daemon a test's.
  if (block.name === CONFIG_FILE)
    await writeFile(configFile, JSON.stringify({ ...config, ...(JSON.parse(block.text) as Record<string, unknown>) }));
}

test('every page of docs/ is a guide whose blocks are run, or has tests of its own', async () => {
  const files = (await readdir(join(PACKAGE_ROOT, 'docs'))).filter((name) => name.endsWith('.md') && name !== 'README.md');
  expect(files.toSorted()).toEqual(Object.keys(GUIDES).toSorted());
});

const pages = Object.keys(GUIDES)
  .filter((name) => GUIDES[name] === 'here')
  .map((name) => ({ name, blocks: guideBlocks(`docs/${name}`, readFileSync(join(PACKAGE_ROOT, 'docs', name), 'utf8')) }));
const configures = ({ blocks }: (typeof pages)[number]): boolean =>
  blocks.some((block) => block.kind === 'file' && block.name === CONFIG_FILE);

async function play({ name, blocks }: (typeof pages)[number]): Promise<void> {
  const place = join(directory, name.replace('.md', ''));
  await mkdir(join(place, 'node_modules'), { recursive: true });
  await symlink(PACKAGE_ROOT, join(place, 'node_modules/cloister'));
  let ran: Ran | null = null;
  for (const block of blocks) {
    const at = `docs/${name}:${block.line}`;
    if (block.kind === 'file') await write(block, place);
    else if (block.kind === 'run') {
      ran = await run(block, place);
      const said = ran.code === block.exitCode ? '' : ran.out + ran.err;
      expect({ at, code: ran.code, said }).toEqual({ at, code: block.exitCode, said: '' });
    } else if (block.kind === 'output') expect(ran?.out, `${at}; stderr: ${ran?.err ?? ''}`).toMatch(outputPattern(asHere(block.text)));
  }
}

test.each(pages.filter(configures))(
  'docs/$name, which configures the daemon',
  async (page) => {
    try {
      await play(page);
    } finally {
      await writeFile(configFile, JSON.stringify(config));
      const reload = { kind: 'run', language: 'sh', text: 'cloister config reload', line: 0, exitCode: 0 } as const;
      expect(await run(reload, directory)).toMatchObject({ code: 0 });
    }
  },
  LIMIT_MS,
);

test.concurrent.each(pages.filter((page) => !configures(page)))('docs/$name', play, LIMIT_MS);
