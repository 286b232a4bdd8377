// `npm run check [NAME]...`: every static check, two at a time; prints a line for each and the output of those that fail.

import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

const SOURCES = ['client', 'console', 'daemon', 'seccomp', 'examples', 'test'];

/** In the order in which a reader wants to hear of them. */
const CHECKS: Readonly<Record<string, readonly string[]>> = {
  types: ['tsc', '-p', 'tsconfig.json'],
  'types of the console': ['tsc', '-p', 'console'],
  lint: ['oxlint', '--type-aware', '--deny-warnings'],
  format: ['biome', 'format', '--max-diagnostics=20'],
  imports: ['depcruise', '--config', '.dependency-cruiser.mjs', ...SOURCES],
  'dead code': ['knip', '--treat-config-hints-as-errors'],
  'dead code of the product': ['knip', '--production', '--no-config-hints'],
  repository: ['tsx', 'test/support/lint/check-repository.ts'],
  package: ['publint', '--strict'],
  'package types': ['attw', '--pack', '.', '--profile', 'esm-only'],
};

interface Outcome {
  readonly name: string;
  readonly isOk: boolean;
}

async function run(name: string, command: readonly string[]): Promise<Outcome> {
  const startedAt = performance.now();
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const cause = await new Promise<string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code === 0 ? null : `exit ${code ?? signal}`));
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${cause === null ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  if (cause !== null) console.log(`\n$ ${command.join(' ')}\n${Buffer.concat(output).toString()}${cause}\n`);
  return { name, isOk: cause === null };
}

async function runAll(names: readonly string[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const queue = names.map((name) => ({ name, command: CHECKS[name] ?? [] }));
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) outcomes.push(await run(next.name, next.command));
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
  return outcomes;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in CHECKS));
if (unknown.length > 0) {
  console.error(`Cannot run ${unknown.join(', ')}: the checks are ${Object.keys(CHECKS).join(', ')}`);
  process.exitCode = 2;
} else {
  const outcomes = await runAll(asked.length > 0 ? asked : Object.keys(CHECKS));
  const failed = outcomes.filter((outcome) => !outcome.isOk).map((outcome) => outcome.name);
  console.log(failed.length === 0 ? 'All checks hold.' : `Failed: ${failed.join(', ')}`);
  if (failed.length > 0) process.exitCode = 1;
}
