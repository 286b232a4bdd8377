// Every decision of the set-up, as pure functions of facts about the host. Touches nothing.
import type { FoundEngine } from '../container/engine/find-engine.ts';
import type { RecipeKind } from '../container/image/base-image.ts';
import { refuse, type Verdict } from './setup-error.ts';

export interface HostFacts {
  readonly platform: string;
  /** As Node spells it: x64, arm64 ... */
  readonly arch: string;
  readonly isRoot: boolean;
  /** ID and ID_LIKE of /etc/os-release. */
  readonly distributions: readonly string[];
  /** Programs of the set-up that are installed. */
  readonly programs: ReadonlySet<string>;
}

export function isDebianFamily(facts: Pick<HostFacts, 'distributions'>): boolean {
  return facts.distributions.includes('debian') || facts.distributions.includes('ubuntu');
}

export function judgePlatform(facts: HostFacts): Verdict {
  if (facts.platform !== 'linux')
    return refuse(`this host runs ${facts.platform}`, 'Use a Linux host (a virtual machine will do); containers need a Linux kernel.');
  if (facts.arch !== 'x64' && facts.arch !== 'arm64')
    return refuse(`the architecture is ${facts.arch}`, 'Use a host with x86-64 or arm64.');
  return { verdict: 'ok' };
}

export type EngineChoice =
  | { readonly verdict: 'ok'; readonly kind: 'found'; readonly socketPath: string; readonly detail: string }
  | { readonly verdict: 'ok'; readonly kind: 'private'; readonly detail: string }
  | Extract<Verdict, { verdict: 'refuse' }>;

export function chooseEngine(found: FoundEngine, facts: HostFacts): EngineChoice {
  if (found.verdict === 'found')
    return {
      verdict: 'ok',
      kind: 'found',
      socketPath: found.socketPath,
      detail: `Docker Engine ${found.version} at ${found.socketPath} (${found.origin})`,
    };
  if (found.verdict === 'refused')
    return refuse(
      found.reason,
      'Start that engine or correct the setting; unset DOCKER_HOST to use the default socket or a private engine.',
    );
  if (!facts.isRoot)
    return refuse(
      `no engine can be used (${found.reason}) and this is not root`,
      'Run this as root, or start Docker Engine and give this user access to its socket, or set DOCKER_HOST.',
    );
  if (!isDebianFamily(facts) && !facts.programs.has('dockerd'))
    return refuse(
      'no engine is running and this is neither Debian nor Ubuntu',
      'Install Docker Engine 20.10 or newer with this distribution, then run the set-up again.',
    );
  return { verdict: 'ok', kind: 'private', detail: 'none is running: a private engine below the state directory' };
}

export function chooseRecipe(facts: HostFacts): RecipeKind {
  return facts.isRoot && isDebianFamily(facts) ? 'packages' : 'dockerfile';
}

export interface PackageNeeds {
  readonly needsEngine: boolean;
  /** The root file system must be built here. */
  readonly needsRecipe: boolean;
  readonly needsCompiler: boolean;
  /** Packages that only tests use and that are not installed. */
  readonly testPackages: readonly string[];
}

interface Requirement {
  readonly programs: readonly string[];
  readonly packages: readonly string[];
}

const ENGINE: Requirement = {
  programs: ['dockerd', 'containerd', 'containerd-shim-runc-v2', 'runc'],
  packages: ['docker.io', 'containerd', 'runc'],
};
const RECIPE: Requirement = { programs: ['mmdebstrap'], packages: ['mmdebstrap', 'debian-archive-keyring'] };
// A pool of workspaces with hard quotas, and the mounts it needs.
const POOL: Requirement = { programs: ['mkfs.btrfs', 'btrfs'], packages: ['btrfs-progs'] };
const COMPILER: Requirement = { programs: ['gcc', 'make', 'musl-gcc'], packages: ['gcc', 'libc6-dev', 'make', 'musl-tools'] };

export type PackageChoice = { readonly verdict: 'ok'; readonly install: readonly string[] } | Extract<Verdict, { verdict: 'refuse' }>;

export function choosePackages(needs: PackageNeeds, facts: HostFacts): PackageChoice {
  const canInstall = facts.isRoot && isDebianFamily(facts);
  const required = [
    ...(needs.needsEngine ? [ENGINE] : []),
    ...(needs.needsRecipe ? [RECIPE] : []),
    ...(facts.isRoot ? [POOL] : []),
    ...(needs.needsCompiler ? [COMPILER] : []),
  ];
  const lacking = required.filter((requirement) => requirement.programs.some((program) => !facts.programs.has(program)));
  if (canInstall)
    return { verdict: 'ok', install: [...new Set([...lacking.flatMap((requirement) => requirement.packages), ...needs.testPackages])] };
  // Where nothing can be installed, what has a substitute is done without: musl by gcc, the pool by plain directories.
  const hasCompiler = facts.programs.has('make') && (facts.programs.has('gcc') || facts.programs.has('musl-gcc'));
  const indispensable = lacking.filter((requirement) => requirement !== POOL && !(requirement === COMPILER && hasCompiler));
  const missing = indispensable.flatMap((requirement) =>
    requirement.programs.filter((program) => program !== 'musl-gcc' && !facts.programs.has(program)),
  );
  if (missing.length > 0)
    return refuse(
      `${missing.join(', ')} not installed, and ${facts.isRoot ? 'this is neither Debian nor Ubuntu' : 'this is not root'}`,
      `Install ${missing.join(', ')} (on Debian: apt-get install ${indispensable.flatMap((requirement) => requirement.packages).join(' ')}), then run the set-up again.`,
    );
  if (needs.testPackages.length > 0)
    return refuse(
      `the tests use ${needs.testPackages.join(', ')}, which cannot be installed here`,
      `Install them (on Debian, as root: apt-get install ${needs.testPackages.join(' ')}).`,
    );
  return { verdict: 'ok', install: [] };
}

/** Every program whose presence is a fact. */
export const PROGRAMS: readonly string[] = [ENGINE, RECIPE, POOL, COMPILER].flatMap((requirement) => requirement.programs);

export interface SpaceNeed {
  readonly path: string;
  readonly freeBytes: number;
  readonly neededBytes: number;
}

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;

export function judgeSpace(needs: readonly SpaceNeed[]): Verdict {
  const short = needs.filter((need) => need.freeBytes < need.neededBytes);
  if (short.length === 0) return { verdict: 'ok' };
  const reason = short
    .map((need) => `${need.path} has ${mebibytes(need.freeBytes)} free and needs ${mebibytes(need.neededBytes)}`)
    .join('; ');
  return refuse(reason, 'Free some space there, or choose another place: --state-dir DIR, and CLOISTER_CACHE_DIR for the cache.');
}
