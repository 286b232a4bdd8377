// Compiles cloister-init once per content of its sources and keeps the binary in the cache. Knows only how to call
// its Makefile and what the result must be: one static executable.
import { createHash, randomUUID } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { findProgram } from '../container/engine/find-program.ts';
import { ProgramError, runProgram } from '../container/image/child-process.ts';
import { SetupError } from './setup-error.ts';

const COMPILE_TIMEOUT_MS = 5 * 60_000;
const ELF_MAGIC = 0x7f454c46;
const PT_INTERP = 3;

export interface BuildInitOptions {
  /** images/init */
  readonly sourceDir: string;
  readonly cacheDir: string;
  /** Of the host, as Node spells it. */
  readonly arch: string;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface BuiltInit {
  readonly path: string;
  readonly sha256: string;
  readonly isFresh: boolean;
}

interface InitSource {
  readonly files: readonly string[];
  readonly binary: string;
}

async function readSource(options: Pick<BuildInitOptions, 'sourceDir' | 'cacheDir' | 'arch'>): Promise<InitSource> {
  const names = await readdir(options.sourceDir).catch(() => []);
  const files = names.filter((name) => /\.[ch]$/.test(name) || name === 'Makefile').toSorted();
  if (!files.includes('Makefile'))
    throw new SetupError('init', `${options.sourceDir} holds no Makefile`, 'Use a complete checkout or package of Cloister.');
  const hash = createHash('sha256').update(options.arch);
  for (const name of files) {
    const content = await readFile(path.join(options.sourceDir, name));
    hash.update(`${name}\0${content.length}\0`).update(content);
  }
  return { files, binary: path.join(options.cacheDir, `cloister-init-${hash.digest('hex').slice(0, 16)}`) };
}

/** True when the binary for these sources is in the cache, so that no compiler is needed. */
export async function isInitBuilt(options: Pick<BuildInitOptions, 'sourceDir' | 'cacheDir' | 'arch'>): Promise<boolean> {
  const { binary } = await readSource(options);
  return stat(binary).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

export async function buildInit(options: BuildInitOptions): Promise<BuiltInit> {
  const source = await readSource(options);
  const describe = async (isFresh: boolean): Promise<BuiltInit> => ({
    path: source.binary,
    sha256: createHash('sha256')
      .update(await readFile(source.binary))
      .digest('hex'),
    isFresh,
  });
  if (await isInitBuilt(options)) return describe(false);
  await mkdir(options.cacheDir, { recursive: true });
  // The sources are copied, because a checkout may be read-only and two builds must not share objects.
  const workDir = await mkdtemp(path.join(options.cacheDir, 'init-build-'));
  try {
    for (const name of source.files) await copyFile(path.join(options.sourceDir, name), path.join(workDir, name));
    const output = path.join(workDir, `cloister-init-${randomUUID()}`);
    await compile(workDir, output, options);
    if (!isStaticElf(await readFile(output)))
      throw new SetupError(
        'init',
        'the compiled binary needs a dynamic loader',
        'Install the static C library (libc6-dev or musl-tools), then run the set-up again.',
      );
    await chmod(output, 0o755);
    await rename(output, source.binary);
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
  return describe(true);
}

async function compile(workDir: string, output: string, options: BuildInitOptions): Promise<void> {
  const compilers = (await Promise.all(['musl-gcc', 'gcc'].map(async (name) => ((await findProgram(name)) === null ? [] : [name])))).flat();
  if (compilers.length === 0 || (await findProgram('make')) === null)
    throw new SetupError(
      'init',
      'there is no C compiler or no make',
      'Install them (on Debian: apt-get install gcc libc6-dev make musl-tools), then run the set-up again.',
    );
  let failure: unknown;
  for (const compiler of compilers) {
    options.onProgress(`compiling cloister-init with ${compiler}`);
    try {
      await runProgram('make', ['-C', workDir, `CC=${compiler}`, `OUT=${output}`], {
        signal: options.signal,
        timeoutMs: COMPILE_TIMEOUT_MS,
      });
      return;
    } catch (error) {
      if (!(error instanceof ProgramError)) throw error;
      failure = error;
      options.onProgress(`${compiler} cannot compile it`);
      await rm(output, { force: true });
    }
  }
  const said =
    failure instanceof ProgramError
      ? (failure.output.split('\n').find((line) => /error|undefined reference|fatal/i.test(line)) ?? failure.message)
      : String(failure);
  throw new SetupError(
    'init',
    `cloister-init does not compile: ${said.slice(0, 400)}`,
    'Use gcc 10 or newer with a static C library; if the sources were changed, correct them.',
    failure,
  );
}

/** A 64-bit ELF file without a program interpreter, which runs in an image that holds nothing else. */
export function isStaticElf(file: Buffer): boolean {
  if (file.length < 64 || file.readUInt32BE(0) !== ELF_MAGIC || file[4] !== 2) return false;
  const offset = Number(file.readBigUInt64LE(32));
  const entrySize = file.readUInt16LE(54);
  const count = file.readUInt16LE(56);
  if (count === 0 || offset + count * entrySize > file.length) return false;
  for (let index = 0; index < count; index += 1) if (file.readUInt32LE(offset + index * entrySize) === PT_INTERP) return false;
  return true;
}
