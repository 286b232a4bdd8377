// The runtimes beside runc that a private engine offers: gVisor and crun, as far as the host has them. Owns the engine's
// configuration file and the program that runs crun where crun would refuse the host.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { EngineLayout } from './engine-layout.ts';
import { findProgram } from './find-program.ts';

const UNIFIED = '/sys/fs/cgroup/unified';

export interface RuntimePrograms {
  readonly runsc: string | null;
  readonly crun: string | null;
}

/** The engine's configuration file; null is a runtime that is not installed. */
export function engineConfiguration({ runsc, crun }: RuntimePrograms): string {
  const runtimes = {
    // ptrace is the platform that needs no KVM; host UDS lets init reach the control socket. gVisor keeps to our filter
    // only when told to, and to the cgroup's limits unless told not to.
    ...(runsc === null
      ? {}
      : { runsc: { path: runsc, runtimeArgs: ['--platform=ptrace', '--network=none', '--fsgofer-host-uds', '--oci-seccomp'] } }),
    ...(crun === null ? {} : { crun: { path: crun } }),
  };
  return `${JSON.stringify(Object.keys(runtimes).length === 0 ? {} : { runtimes }, null, 2)}\n`;
}

/**
 * crun refuses a host whose unified hierarchy, beside those of cgroup v1, holds a controller, needed or not. Here it sees
 * mounts of its own in which that hierarchy is not; the host's stay as they are.
 */
export const crunOnHybrid = (crun: string): string => `#!/bin/sh
exec unshare --mount --propagation private sh -c 'umount ${UNIFIED} && exec "$0" "$@"' ${crun} "$@"
`;

/** Writes the configuration file, and what it names beside programs of the host. */
export async function writeEngineConfiguration(layout: EngineLayout): Promise<void> {
  const [runsc, crun] = await Promise.all([findProgram('runsc'), findProgram('crun')]);
  const offered = await readFile(path.join(UNIFIED, 'cgroup.controllers'), 'utf8').catch(() => '');
  let usable = crun;
  if (crun !== null && offered.trim() !== '') {
    usable = path.join(layout.directory, 'crun-on-hybrid');
    await writeFile(usable, crunOnHybrid(crun), { mode: 0o700 });
  }
  await writeFile(layout.configFile, engineConfiguration({ runsc, crun: usable }), { mode: 0o600 });
}
