// Whatever bytes a daemon's connection carries, init takes or refuses them within its bounds: 100,000 inputs each, with
// AddressSanitizer and UBSan. The seed is fixed, so that a failure is the same everywhere; `make fuzz` goes on from there.

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const INIT = join(import.meta.dirname, '../../images/init');
const CORPUS = join(INIT, 'fuzz/corpus');
const INPUTS = '100000';
const SEED = '1';
const run = promisify(execFile);

let out: string;

beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), 'cl-fuzz-'));
  await run('make', ['fuzz-build', `FUZZ_OUT=${out}`], { cwd: INIT });
});
afterAll(async () => {
  await rm(out, { recursive: true, force: true });
});

test('the frame parser and the check of a START keep their claims', async () => {
  expect((await run(join(out, 'frame-fuzz'), [INPUTS, SEED])).stdout).toBe(`${INPUTS} inputs, seed ${SEED}: clean\n`);
});

test('expressions, globs and ignore rules end, stay in their memory and match what they say', async () => {
  expect((await run(join(out, 'file-fuzz'), [INPUTS, SEED])).stdout).toBe(`${INPUTS} inputs, seed ${SEED}: clean\n`);
}, 120_000);

test('execs, stdin, output, dials and file requests stay in their windows, tell each end once, and are forgotten', async () => {
  const { length } = await readdir(CORPUS);
  expect(length).toBeGreaterThan(50);
  const { stdout } = await run(join(out, 'control-fuzz'), [INPUTS, SEED, CORPUS], { timeout: 0 });
  expect(stdout).toBe(`${length} of the corpus, ${INPUTS} inputs, seed ${SEED}: clean\n`);
}, 240_000);
