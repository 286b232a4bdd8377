// Installs Debian packages: lists refreshed only when needed, no daemon started by an installation, nothing left behind.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { ProgramError, runProgram } from '../container/image/child-process.ts';
import { SetupError } from './setup-error.ts';

const POLICY_FILE = '/usr/sbin/policy-rc.d';
const POLICY_MARK = '# Written by the set-up of Cloister for the time of one installation.';
const ENGINE_UNITS = ['docker.service', 'docker.socket', 'containerd.service'];
const APT_TIMEOUT_MS = 20 * 60_000;
const APT_ENV = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };

export interface InstallOptions {
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export async function installedPackages(names: readonly string[]): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  // Fails for names dpkg has never heard of, and still lists the others.
  const text = await runProgram('dpkg-query', ['-W', '-f=${Package} ${db:Status-Status}\\n', ...names], { timeoutMs: 10_000 }).catch(
    (error: unknown) => (error instanceof ProgramError ? error.output : ''),
  );
  return new Set(
    text
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0] ?? ''),
  );
}

export async function installPackages(names: readonly string[], options: InstallOptions): Promise<void> {
  const before = await installedPackages(['docker.io']);
  const ownsPolicy = await forbidServiceStarts();
  try {
    const canResolve = await apt(['install', '--simulate', ...names], options).then(
      () => true,
      (error: unknown) => {
        if (error instanceof ProgramError) return false;
        throw error;
      },
    );
    if (!canResolve) await refreshLists(options);
    await apt(['install', ...names], options).catch(async (error: unknown) => {
      // Lists older than the mirror name files it no longer has.
      if (!(error instanceof ProgramError) || !canResolve) throw error;
      await refreshLists(options);
      await apt(['install', ...names], options);
    });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    throw aptFailure(names, error);
  } finally {
    if (ownsPolicy) await rm(POLICY_FILE, { force: true });
  }
  // The engine came with the package only to be started privately: it must not start at the next boot either.
  if (names.includes('docker.io') && !before.has('docker.io'))
    await runProgram('systemctl', ['disable', '--quiet', ...ENGINE_UNITS], { timeoutMs: 60_000 }).catch(() => undefined);
}

async function refreshLists(options: InstallOptions): Promise<void> {
  options.onProgress('apt-get update');
  await apt(['update', '-o', 'APT::Update::Error-Mode=any'], options);
}

function apt(args: readonly string[], options: InstallOptions): Promise<string> {
  const settings = ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Dpkg::Use-Pty=0', '--yes', '--no-install-recommends'];
  const onLine = (line: string): void => {
    if (/^(Get:|Setting up|Unpacking)/.test(line)) options.onProgress(line.slice(0, 120));
  };
  return runProgram('apt-get', [...settings, ...args], {
    env: APT_ENV,
    onLine: args.includes('--simulate') ? undefined : onLine,
    signal: options.signal,
    timeoutMs: APT_TIMEOUT_MS,
  });
}

/** True when the policy file is ours to remove. One that is there already is respected. */
async function forbidServiceStarts(): Promise<boolean> {
  const present = await readFile(POLICY_FILE, 'utf8').catch(() => null);
  if (present !== null && !present.includes(POLICY_MARK)) return false;
  await writeFile(POLICY_FILE, `#!/bin/sh\n${POLICY_MARK}\nexit 101\n`, { mode: 0o755 });
  return true;
}

export function aptFailure(names: readonly string[], error: ProgramError): SetupError {
  const lines = error.output.split('\n').filter((line) => /^(E|Err):/.test(line));
  const said = lines.slice(-3).join(' ').slice(0, 600) || error.message;
  const isUnreachable =
    /Could not (resolve|connect)|Failed to fetch|Temporary failure|Unable to fetch|Connection (failed|timed out)|Network is unreachable/i.test(
      error.output,
    );
  const isUnknown = /Unable to locate package|has no installation candidate/i.test(error.output);
  if (isUnreachable)
    return new SetupError(
      'packages',
      `apt cannot reach its mirrors: ${said}`,
      'Check the network and the proxy settings of apt (apt-get update must work), then run the set-up again.',
      error,
    );
  if (isUnknown)
    return new SetupError(
      'packages',
      `apt does not know a package: ${said}`,
      'Enable the main component of this release in /etc/apt/sources.list (on Ubuntu also universe), then run the set-up again.',
      error,
    );
  return new SetupError(
    'packages',
    `apt-get could not install ${names.join(' ')}: ${said}`,
    `Run apt-get install ${names.join(' ')} by hand, resolve what it reports, then run the set-up again.`,
    error,
  );
}
