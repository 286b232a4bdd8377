// What may be in an archive of a tree, the same on both ends: names below the root and symlinks that stay below it. Pure.

const MAX_PATH_BYTES = 4096;
const MAX_NAME_BYTES = 255;
const MAX_DEPTH = 64;

/** Files, directories and symlinks of one archive. */
export const MAX_TREE_ENTRIES = 100_000;

/** The name of an entry as components below the root, [] for the root itself; null if it is not below it, or no name of a file. */
export function treePath(name: string): string[] | null {
  if (name.startsWith('/') || name.includes('\0') || Buffer.byteLength(name) > MAX_PATH_BYTES) return null;
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.length > MAX_DEPTH || parts.includes('..')) return null;
  return parts.some((part) => Buffer.byteLength(part) > MAX_NAME_BYTES) ? null : parts;
}

/**
 * Whether a symlink at `parts` stays inside. `..` counts only at the front, where the directories above are real ones:
 * behind another component it would go up from wherever a symlink of that name leads.
 */
export function staysInside(parts: readonly string[], target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0') || Buffer.byteLength(target) > MAX_PATH_BYTES) return false;
  const steps = target.split('/').filter((step) => step !== '' && step !== '.');
  const ups = steps.findIndex((step) => step !== '..');
  const count = ups < 0 ? steps.length : ups;
  return count <= parts.length - 1 && !steps.slice(count).includes('..');
}
