// A real package from npm with its own test suite, fetched outside: sandboxes have no network.

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { Sandbox } from '../../client/index.ts';

const run = promisify(execFile);

/** `varint` tests itself with `node test.js`, which needs `tape`. */
export const REAL_PACKAGE = { name: 'varint', version: '6.0.0', tests: ['tape@2.14.1'] } as const;

/** Fetches the package with what its tests need and uploads all of it; answers the number of files. */
export async function uploadRealPackage(sandbox: Sandbox, directory: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'cl-package-'));
  try {
    const wanted = [`${REAL_PACKAGE.name}@${REAL_PACKAGE.version}`, ...REAL_PACKAGE.tests];
    await run('npm', ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--no-save', ...wanted]);
    const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    for (const file of files) {
      const path = join(file.parentPath, file.name);
      await sandbox.files.write(join(directory, relative(folder, path)), await readFile(path));
    }
    return files.length;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
