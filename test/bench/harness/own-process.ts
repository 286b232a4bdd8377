// A program of the bench in a process of its own, asked line by line: so that no contender pays for what another has loaded.
// It is bundled first, because a loader that translates while it runs would stay in its heap. Knows nothing of what it does.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import type { Scope } from './scope.ts';

export type Ask = (line: string) => Promise<string>;

/** `source` is relative to test/bench. Packages are found from where the bundle lies: in the package's dist. */
export async function ownProcess(packageRoot: string, source: string, args: readonly string[], scope: Scope): Promise<Ask> {
  const program = join(packageRoot, 'dist', 'bench', basename(source).replace(/\.ts$/, '.mjs'));
  await build({
    entryPoints: [join(packageRoot, 'test', 'bench', source)],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'warning',
  });
  const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  scope.defer(async () => {
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await once(child, 'exit');
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`Cannot go on: ${source} has ended`);
    return value;
  };
  await next();
  return (line) => {
    child.stdin.write(`${line}\n`);
    return next();
  };
}
