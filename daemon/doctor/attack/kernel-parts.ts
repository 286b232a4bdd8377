// Which parts of a kernel there are, by the names of its functions and of the modules it could load. A host that does
// not tell them is taken to have all.

import { readFile } from 'node:fs/promises';
import type { KernelPart } from './row.ts';

export interface KernelText {
  /** Of /proc/kallsyms; null: not to be read. */
  readonly symbols: string | null;
  /** Paths of the modules for this kernel. */
  readonly modules: string;
}

export async function readKernelText(): Promise<KernelText> {
  const text = (path: string): Promise<string | null> => readFile(path, 'utf8').catch(() => null);
  const release = ((await text('/proc/sys/kernel/osrelease')) ?? '').trim();
  const symbols = await text('/proc/kallsyms');
  return { symbols: symbols === '' ? null : symbols, modules: (await text(`/lib/modules/${release}/modules.dep`)) ?? '' };
}

export function hasPart({ symbols, modules }: KernelText, part: KernelPart): boolean {
  // Names have prefixes and suffixes of the compiler's: `__do_sys_io_uring_setup`, `bpf_check.isra.0`.
  if (symbols === null || symbols.includes(part.symbol)) return true;
  return part.module !== null && modules.includes(`/${part.module}.ko`);
}
