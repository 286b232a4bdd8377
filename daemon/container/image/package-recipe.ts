// The offline recipe: Debian packages and Node become a root file system as a tar file. Needs mmdebstrap and the
// host's package sources, no registry of images and no engine.
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { type AptSource, debianSourceLines, parseDeb822, parseOneLine } from './apt-sources.ts';
import type { BaseRecipe } from './base-recipe.ts';
import { ProgramError, runProgram } from './child-process.ts';
import { layOutNode } from './node-distribution.ts';

const BUILD_TIMEOUT_MS = 30 * 60_000;
/** Settings of the host's apt without which it would not reach its mirrors. */
const INHERITED_APT_SETTINGS = /^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy|ForceIPv4) ".*";$/;

export interface PackageRecipeOptions {
  readonly recipe: BaseRecipe;
  readonly target: string;
  readonly workRoot: string;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

async function hostSources(): Promise<readonly AptSource[]> {
  const directory = '/etc/apt/sources.list.d';
  const names = (await readdir(directory).catch(() => [])).map((name) => path.join(directory, name));
  const texts = await Promise.all(
    ['/etc/apt/sources.list', ...names].map(async (file) => ({ file, text: await readFile(file, 'utf8').catch(() => '') })),
  );
  return texts.flatMap(({ file, text }) => {
    if (file.endsWith('.sources')) return parseDeb822(text);
    return file.endsWith('.list') ? parseOneLine(text) : [];
  });
}

async function hostCodename(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^VERSION_CODENAME=(\S+)$/m.exec(text)?.[1] ?? '';
}

export function mmdebstrapArguments(
  recipe: BaseRecipe,
  stage: string,
  target: string,
  sources: readonly string[],
  aptSettings: readonly string[],
): string[] {
  return [
    '--mode=root',
    '--variant=minbase',
    '--format=tar',
    `--include=${recipe.packages.join(',')}`,
    '--aptopt=APT::Install-Recommends "false"',
    ...aptSettings.map((setting) => `--aptopt=${setting.replace(/;$/, '')}`),
    `--customize-hook=copy-in ${path.join(stage, 'usr')} ${path.join(stage, 'cloister-build')} /`,
    '--customize-hook=chroot "$1" sh /cloister-build/finish.sh',
    '--customize-hook=rm -rf "$1/cloister-build"',
    'bookworm',
    target,
    ...sources,
  ];
}

export async function buildRootFileSystem(options: PackageRecipeOptions): Promise<void> {
  const { recipe, onProgress, signal } = options;
  await mkdir(options.workRoot, { recursive: true });
  const workDir = await mkdtemp(path.join(options.workRoot, 'base-build-'));
  try {
    const stage = path.join(workDir, 'stage');
    const build = path.join(stage, 'cloister-build');
    await mkdir(build, { recursive: true, mode: 0o755 });
    await copyFile(path.join(recipe.directory, 'finish.sh'), path.join(build, 'finish.sh'));
    await layOutNode({ recipe, prefix: path.join(stage, 'usr', 'local'), workDir, onProgress, signal });
    // Its mode becomes that of the image's /usr.
    await chmod(path.join(stage, 'usr'), 0o755);
    const sources = debianSourceLines(await hostSources(), await hostCodename());
    const dump = await runProgram('apt-config', ['dump'], { timeoutMs: 10_000, signal });
    const aptSettings = dump.split('\n').filter((line) => INHERITED_APT_SETTINGS.test(line));
    const report = (line: string): void => {
      const step = /^I: ((?:running apt-get|downloading|extracting|installing|cleaning|creating) .*)$/.exec(line)?.[1];
      if (step !== undefined) onProgress(`mmdebstrap: ${step}`);
    };
    await runProgram('mmdebstrap', mmdebstrapArguments(recipe, stage, options.target, sources, aptSettings), {
      env: { TMPDIR: workDir },
      onLine: report,
      signal,
      timeoutMs: BUILD_TIMEOUT_MS,
    });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    const last = error.output
      .split('\n')
      .filter((line) => /^(E|W|Err):/.test(line))
      .slice(-3)
      .join(' ');
    throw new SandboxError('SANDBOX_FAILED', `Cannot build the base image: ${error.message}: ${last || error.output.trim().slice(-300)}`, {
      hint: 'Check that apt-get update works on this host and that the disk has room, then run the set-up again.',
      cause: error,
    });
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}
