// A tree of 20,000 source files: listed, matched by glob and searched, by us and by what a command in the same sandbox can do.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import type { Sandbox } from 'cloister';
import { type Contender, compare } from '../harness/comparison.ts';
import type { Stage } from '../harness/stage.ts';
import type { Workload } from '../harness/workload.ts';

const FILES = 20_000;
const LISTED = 10_000;
const WORD = 'needle_in_the_tree';
/** 400 directories of 50 files of 100 lines; the word is in one file of a hundred. */
const MAKE_TREE = `BEGIN {
  for (line = 0; line < 100; line++) text = text "  const value" line " = compute(" line ", options);\\n";
  for (i = 0; i < ${FILES}; i++) {
    file = sprintf("tree/d%03d/file%05d.ts", i % 400, i);
    printf "%s", text > file;
    if (i % 100 == 0) print "${WORD}(" i ");" > file;
    close(file);
  }
  for (i = 0; i < ${LISTED}; i++) { file = sprintf("flat/file%05d", i); printf "" > file; close(file) }
}`;

const ROUNDS = { quick: { warmUp: 1, rounds: 5 }, full: { warmUp: 2, rounds: 15 } };

export const fileList: Workload = {
  name: 'file list',
  unit: 'ms',
  what: `a directory of ${LISTED} entries, with their stat`,
  run: (stage, { isQuick }) =>
    onTree(stage, isQuick, (sandbox) => [
      { name: 'cloister', sample: async () => expectCount((await sandbox.files.list('flat', { limit: LISTED })).entries.length, LISTED) },
      { name: 'ls by exec', sample: async () => expectOutput(await sandbox.exec(['ls', '-ln', 'flat'])) },
    ]),
};

export const fileGlob: Workload = {
  name: 'file glob',
  unit: 'ms',
  what: `all names of ${FILES} files, of which 200 match`,
  run: (stage, { isQuick }) =>
    onTree(stage, isQuick, (sandbox) => [
      { name: 'cloister', sample: async () => expectCount((await sandbox.files.glob('tree/**/file*00.ts')).paths.length, FILES / 100) },
      { name: 'find by exec', sample: async () => expectOutput(await sandbox.exec(['find', 'tree', '-name', 'file*00.ts'])) },
    ]),
};

export const fileGrep: Workload = {
  name: 'file grep',
  unit: 'ms',
  what: `the text of ${FILES} files, 200 lines of which match`,
  run: (stage, { isQuick }) => onTree(stage, isQuick, (sandbox) => grepContenders(sandbox, `${WORD}\\([0-9]+`)),
};

async function grepContenders(sandbox: Sandbox, pattern: string): Promise<Contender[]> {
  const ripgrep = await uploadRipgrep(sandbox);
  const found = async (command: readonly string[]): Promise<void> =>
    expectOutput(await sandbox.exec(command, { outputBytes: 1024 * 1024 }));
  return [
    { name: 'cloister', sample: async () => expectCount((await sandbox.files.grep(pattern, { path: 'tree' })).lines.length, FILES / 100) },
    { name: 'grep by exec', sample: () => found(['grep', '-rnE', pattern, 'tree']) },
    ...(ripgrep === null
      ? []
      : [{ name: 'ripgrep by exec', sample: () => found([...ripgrep, '--no-ignore', '--hidden', '-n', pattern, 'tree']) }]),
  ];
}

/** The host's ripgrep, if it has one, with what it is linked to; null: it has none. */
async function uploadRipgrep(sandbox: Sandbox): Promise<readonly string[] | null> {
  const run = promisify(execFile);
  const program = (await run('sh', ['-c', 'command -v rg']).catch(() => ({ stdout: '' }))).stdout.trim();
  if (program === '') return null;
  const libraries = [...(await run('ldd', [program])).stdout.matchAll(/(\/\S+)/g)].flatMap(([, path]) =>
    path === undefined ? [] : [path],
  );
  for (const path of [program, ...libraries]) await sandbox.files.write(`tools/${basename(path)}`, await readFile(path), { mode: 0o755 });
  const loader = libraries.find((path) => basename(path).startsWith('ld-')) ?? '';
  return [`/workspace/tools/${basename(loader)}`, '--library-path', '/workspace/tools', '/workspace/tools/rg'];
}

async function onTree(
  stage: Stage,
  isQuick: boolean,
  contenders: (sandbox: Sandbox) => readonly Contender[] | Promise<readonly Contender[]>,
) {
  const sandbox = await stage.open();
  try {
    const made = await sandbox.exec(
      `mkdir -p flat && for i in $(seq 0 399); do mkdir -p "tree/d$(printf %03d "$i")"; done && awk '${MAKE_TREE}'`,
    );
    if (made.exitCode !== 0) throw new Error(`Cannot make the tree: ${made.stderr}`);
    return await compare(await contenders(sandbox), isQuick ? ROUNDS.quick : ROUNDS.full);
  } finally {
    await sandbox.close({ workspace: 'delete' });
  }
}

function expectCount(count: number, expected: number): void {
  if (count !== expected) throw new Error(`Cannot count what was found: ${count} instead of ${expected}`);
}

function expectOutput({
  exitCode,
  stdout,
  stderr,
}: {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}): void {
  if (exitCode !== 0 || stdout === '') throw new Error(`Cannot count what was found: exit ${exitCode}, ${stderr}`);
}
