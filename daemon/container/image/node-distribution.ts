// Node and npm for the base image, out of the npm registry the host uses: packed by npm, checked against the pinned
// integrity, laid out below a directory as they will be below /usr/local.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-fs';
import { SandboxError } from '../../../client/protocol/errors.ts';
import type { BaseRecipe, NpmTarball } from './base-recipe.ts';
import { ProgramError, runProgram } from './child-process.ts';

const PACK_TIMEOUT_MS = 15 * 60_000;

interface FetchOptions {
  readonly recipe: BaseRecipe;
  /** Receives bin/node, bin/npm, bin/npx and lib/node_modules/npm. */
  readonly prefix: string;
  readonly workDir: string;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

async function packed(tarball: NpmTarball, options: FetchOptions): Promise<string> {
  const spec = `${tarball.name}@${tarball.version}`;
  options.onProgress(`fetching ${spec}`);
  try {
    await runProgram('npm', ['pack', spec, '--silent', '--ignore-scripts', `--pack-destination=${options.workDir}`], {
      cwd: options.workDir,
      signal: options.signal,
      timeoutMs: PACK_TIMEOUT_MS,
    });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    throw new SandboxError(
      'SANDBOX_FAILED',
      `Cannot fetch ${spec}: ${error.message}: ${error.output.trim().split('\n').slice(-3).join(' ')}`,
      {
        hint: 'Check that npm reaches its registry (npm ping), then run the set-up again.',
        cause: error,
      },
    );
  }
  const file = path.join(options.workDir, `${tarball.name}-${tarball.version}.tgz`);
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(file))
    .digest('base64')}`;
  if (integrity !== tarball.integrity)
    throw new SandboxError('SANDBOX_FAILED', `Cannot use ${spec}: its content is ${integrity}, pinned is ${tarball.integrity}`, {
      hint: 'The registry served something else than images/base/node.json names; check the registry.',
    });
  return file;
}

async function unpack(file: string, directory: string, options: FetchOptions): Promise<void> {
  await mkdir(directory, { recursive: true });
  const asRoot = { uid: 0, gid: 0 };
  const sink = extract(directory, { strip: 1, map: (header) => ({ ...header, ...asRoot }), dmode: 0o555, fmode: 0o444 });
  await pipeline(createReadStream(file), createGunzip(), sink, { signal: options.signal });
  await rm(file);
}

export async function layOutNode(options: FetchOptions): Promise<void> {
  const { prefix, recipe } = options;
  const bin = path.join(prefix, 'bin');
  const nodeFiles = path.join(options.workDir, 'node-package');
  await unpack(await packed(recipe.node, options), nodeFiles, options);
  await mkdir(bin, { recursive: true, mode: 0o755 });
  await runProgram('install', ['-m', '0755', path.join(nodeFiles, 'bin', 'node'), path.join(bin, 'node')], { timeoutMs: 60_000 });
  await rm(nodeFiles, { recursive: true });
  const npmHome = path.join(prefix, 'lib', 'node_modules', 'npm');
  await unpack(await packed(recipe.npm, options), npmHome, options);
  for (const name of ['npm', 'npx']) {
    await chmod(path.join(npmHome, 'bin', `${name}-cli.js`), 0o755);
    await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, path.join(bin, name));
  }
  // Directories made here have the umask of this process; in the image everybody reads them.
  await runProgram('chmod', ['-R', 'u=rwX,go=rX', options.prefix], { timeoutMs: 60_000 });
}
