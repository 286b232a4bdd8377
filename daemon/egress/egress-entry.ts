// How the egress process is started: which program, under which wrapper. Owns the command line and nothing that runs.

import { readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../container/engine/find-program.ts';

export interface EgressEntry {
  readonly file: string;
  readonly arguments: readonly string[];
  /** No program it starts could ever gain a right. */
  readonly hasNoNewPrivs: boolean;
}

/** What is needed until the rights are dropped: reading the package, and dropping them. */
const KEPT_UNTIL_DROPPED = '-all,+setuid,+setgid,+dac_read_search';

export async function egressEntry(): Promise<EgressEntry> {
  const own = fileURLToPath(import.meta.url);
  const isSource = own.endsWith('.ts');
  const main = fileURLToPath(new URL(isSource ? './main.ts' : './main.js', import.meta.url));
  // Sources run through the same loader as the daemon's own.
  const loader = isSource ? ['--import', createRequire(import.meta.url).resolve('tsx')] : [];
  const node = [readlinkSync('/proc/self/exe'), '--max-old-space-size=256', ...loader, main];
  const setpriv = await findProgram('setpriv');
  if (setpriv === null) return { file: node[0] ?? '', arguments: node.slice(1), hasNoNewPrivs: false };
  return { file: setpriv, arguments: ['--no-new-privs', `--bounding-set=${KEPT_UNTIL_DROPPED}`, '--', ...node], hasNoNewPrivs: true };
}
