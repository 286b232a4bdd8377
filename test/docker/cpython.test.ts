// CPython's tests of terminals, signals, child processes and file locks do in a sandbox what they do in a container of
// Docker's own making. Whatever differs stands here with its reason.

import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MODULES, testFiles, Verdicts } from '../support/cpython-tests.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { runToEnd } from '../support/test-engine.ts';

const LIMIT_MS = 300_000;

/** Test -> why a sandbox skips it, or does not, where a stock container does otherwise. */
const DIFFERENT: Readonly<Record<string, string>> = {};

let daemon: TestDaemon;
let stock: Verdicts;
let sandboxed: Verdicts;

beforeAll(async () => {
  daemon = await startTestDaemon();
  const sandbox = await (await daemon.connect('acme')).open({ session: 'cpython' });
  const files = await testFiles(process.env['CLOISTER_CACHE_DIR'] ?? '/var/cache/cloister');
  for (const [path, bytes] of files) await sandbox.files.write(`cpython/${path}`, bytes);
  const [, inStock] = await Promise.all([
    Promise.all(MODULES.map((module) => sandbox.exec(`cd cpython && python3 -u run.py ${module} ${module}.json`, { timeoutMs: LIMIT_MS }))),
    runInStockContainer(files, sandbox.receipt.uid),
  ]);
  stock = inStock;
  sandboxed = await together((file) => sandbox.files.readText(`cpython/${file}`));
}, LIMIT_MS);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

async function together(read: (file: string) => Promise<string>): Promise<Verdicts> {
  const parts = await Promise.all(MODULES.map(async (module) => Verdicts.parse(JSON.parse(await read(`${module}.json`)))));
  return Object.assign({}, ...parts) as Verdicts;
}

/** As `docker run` would, but for the user: with Docker's own seccomp profile, capabilities and network. */
async function runInStockContainer(files: ReadonlyMap<string, Buffer>, uid: number): Promise<Verdicts> {
  const dir = await mkdtemp(join(tmpdir(), 'cl-cpython-'));
  try {
    for (const [path, bytes] of files) {
      await mkdir(dirname(join(dir, path)), { recursive: true });
      await writeFile(join(dir, path), bytes);
    }
    await chown(dir, uid, uid);
    await runToEnd(
      daemon.driver,
      {
        Image: process.env['CLOISTER_TEST_IMAGE'] ?? '',
        User: `${uid}:${uid}`,
        Entrypoint: ['sh', '-c', `for module in ${MODULES.join(' ')}; do python3 -u run.py $module $module.json & done; wait`],
        WorkingDir: '/workspace',
        HostConfig: { Mounts: [{ Type: 'bind', Source: dir, Target: '/workspace' }] },
      },
      `cloister-test-cpython-${uid}`,
    );
    return await together((file) => readFile(join(dir, file), 'utf8'));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const isRun = (verdict: string | undefined): boolean => verdict !== undefined && !verdict.startsWith('skipped');

test('none fails in a sandbox', () => {
  expect(Object.entries(sandboxed).filter(([, verdict]) => verdict.startsWith('FAILED'))).toEqual([]);
});

test('each module has run, and as many tests as in a stock container', () => {
  for (const module of MODULES) {
    const runIn = (verdicts: Verdicts): number =>
      Object.entries(verdicts).filter(([id, verdict]) => id.includes(`${module}.`) && isRun(verdict)).length;
    expect(runIn(sandboxed), module).toBeGreaterThan(0);
    expect(runIn(sandboxed), module).toBe(runIn(stock));
  }
  expect(Object.keys(sandboxed).toSorted()).toEqual(Object.keys(stock).toSorted());
});

test('what is skipped in one and not in the other is known, with its reason', () => {
  const different = Object.keys(stock).filter((id) => isRun(stock[id]) !== isRun(sandboxed[id]));
  expect(
    different
      .map((id) => `${id}: ${sandboxed[id] ?? 'absent'} | ${stock[id] ?? 'absent'}`)
      .filter((line) => !Object.keys(DIFFERENT).some((id) => line.startsWith(`${id}:`))),
  ).toEqual([]);
  expect(different.toSorted()).toEqual(Object.keys(DIFFERENT).toSorted());
});
