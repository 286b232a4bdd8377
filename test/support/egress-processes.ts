// Processes of a uid, by the host's own view: what runs as an egress process there is one.

import { readdir, readFile } from 'node:fs/promises';

export async function egressProcesses(uid: number): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '');
    const isDead = /^State:\s+[ZX]/m.test(status);
    if (!isDead && new RegExp(`^Uid:\\s+${uid}\\s`, 'm').test(status)) found.push(Number(name));
  }
  return found;
}
