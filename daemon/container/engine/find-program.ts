// Where system programs are looked for, whatever the PATH of the caller says.
import { access, constants } from 'node:fs/promises';
import path from 'node:path';

export const SEARCH_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export async function findProgram(name: string): Promise<string | null> {
  for (const directory of SEARCH_PATH) {
    const candidate = path.join(directory, name);
    const isProgram = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isProgram) return candidate;
  }
  return null;
}
