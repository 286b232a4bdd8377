// Compiles the file worker's harness and its adversary with the machine's cc into a folder of the caller.
// Owns the list of sources; must not know what the tests do with them.

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const INIT = fileURLToPath(new URL('../../images/init/', import.meta.url));
const WARNINGS = ['-std=c17', '-Wall', '-Wextra', '-Werror'];
const SANITIZERS = ['-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'];

export interface WorkerBuild {
  /** Resolves paths by hand, as on a kernel without openat2. */
  readonly isWalk?: boolean;
  /** Resolves paths by a check before the opening: what an attack must catch. */
  readonly isNaive?: boolean;
}

/** Builds the harness with ASan and UBSan; returns the path of the program. */
export function buildWorker(outputDir: string, build: WorkerBuild = {}): string {
  const resolve = build.isNaive === true ? ['test/naive-resolve.c'] : ['file-resolve.c'];
  const others = readdirSync(INIT).filter((name) => /^(file-.*|sha256|worker)\.c$/.test(name) && name !== 'file-resolve.c');
  const sources = [...others, ...resolve];
  const output = join(outputDir, build.isWalk === true ? 'worker-walk' : build.isNaive === true ? 'worker-naive' : 'worker');
  const walk = build.isWalk === true ? ['-DCLOISTER_FORCE_WALK'] : [];
  execFileSync('cc', [...WARNINGS, ...SANITIZERS, ...walk, ...sources, 'test/worker-harness.c', '-o', output], { cwd: INIT });
  return output;
}

/** Builds the program that exchanges two names without pause; returns its path. */
export function buildFlipper(outputDir: string): string {
  const output = join(outputDir, 'flipper');
  execFileSync('cc', [...WARNINGS, '-O2', 'test/flipper.c', '-o', output], { cwd: INIT });
  return output;
}
