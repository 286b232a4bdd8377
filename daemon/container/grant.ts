// What a sandbox was granted, as plain data: the one input of spec.ts, which asks the engine for it, and of the
// receipt, which checks that the kernel enforces it. Decides nothing and touches nothing, and knows no tenant: a container
// is nobody's until a record says whose it is.

/** A seccomp profile as it is sent to the engine. */
export interface SeccompProfile {
  readonly name: string;
  /** Compact profile text in Docker's format. */
  readonly json: string;
  /** SHA-256 of `json`, hex. */
  readonly sha256: string;
}

export interface SandboxLimits {
  readonly memoryBytes: number;
  /** Processors, in fractions. */
  readonly cpus: number;
  readonly pids: number;
  /** Hard limit of the workspace; null where the operator accepted a store without quota. */
  readonly diskBytes: number | null;
  /** Size of /tmp, which counts as memory of the sandbox. */
  readonly tmpBytes: number;
  /** Size of /dev/shm, which counts as well: shmBytesFor of the memory the sandbox was created with. */
  readonly shmBytes: number;
}

/** Host paths, every one on a mount that already carries the flags it must have inside. */
export interface SandboxPaths {
  /** Directory on a ro,nosuid,nodev mount: control.sock, egress.sock, nonce and `etc/` with the files of sandboxEtcFiles. */
  readonly runDir: string;
  /** The cloister-init binary, a file on a ro,nosuid,nodev mount. */
  readonly initPath: string;
  /** Directory on a nosuid,nodev mount; on a ro one as well for a profile with a read-only workspace. */
  readonly workspacePath: string;
}

export interface GrantedProfile {
  readonly name: string;
  readonly isWorkspaceReadonly: boolean;
  readonly seccomp: SeccompProfile;
}

export interface SandboxGrant {
  readonly sandboxId: string;
  /** Which daemon's sandbox this is; several daemons may share an engine. */
  readonly instanceId: string;
  /** `id` is the engine's content id, `sha256:...`. */
  readonly image: { readonly name: string; readonly id: string };
  /** Name of an engine runtime, for example `runc`. */
  readonly runtime: string;
  readonly profile: GrantedProfile;
  readonly uid: number;
  readonly gid: number;
  readonly limits: SandboxLimits;
  readonly paths: SandboxPaths;
  readonly workspace: { readonly name: string; readonly store: string; readonly quota: string };
  /** SHA-256 of the policy in force, hex. */
  readonly policySha256: string;
  /** Further container labels; keys of Cloister's own are refused. */
  readonly labels: Readonly<Record<string, string>>;
}

const MEBIBYTE = 1024 * 1024;
const MAX_SHM_BYTES = 64 * MEBIBYTE;

/** Size of /dev/shm for a sandbox of that much memory, not for callers to choose: an eighth of it, at most 64 MiB. */
export const shmBytesFor = (memoryBytes: number): number =>
  Math.min(MAX_SHM_BYTES, Math.max(1, Math.floor(memoryBytes / 8 / MEBIBYTE)) * MEBIBYTE);

/** A quarter of the engine's default weight per processor: the host's own services come first. */
const CPU_SHARES_PER_CPU = 256;
const MIN_CPU_SHARES = 2;

export const cpuSharesFor = (cpus: number): number => Math.max(MIN_CPU_SHARES, Math.round(cpus * CPU_SHARES_PER_CPU));
