// One builder at a time: a lock file that names its holder's process. A dead holder's lock is taken over.
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

const POLL_MS = 250;
const holderSchema = z.strictObject({ pid: z.int().positive(), startTicks: z.string(), token: z.string() });
type Holder = z.infer<typeof holderSchema>;

export interface BuildLock extends AsyncDisposable {
  readonly file: string;
}

/** Start time of a process in clock ticks since boot, which a reused pid does not share; null when there is none. */
async function startTicks(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

async function readHolder(file: string): Promise<Holder | null> {
  try {
    return holderSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    // Written whole or not at all, so anything else is nobody's lock.
    return null;
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  return (await startTicks(holder.pid)) === holder.startTicks;
}

export async function acquireBuildLock(file: string, onWait: (line: string) => void, signal?: AbortSignal): Promise<BuildLock> {
  await mkdir(path.dirname(file), { recursive: true });
  const token = randomUUID();
  const ownPid = Number(await readlink('/proc/self'));
  const own: Holder = { pid: ownPid, startTicks: (await startTicks(ownPid)) ?? '', token };
  const draft = `${file}.${token}`;
  await writeFile(draft, JSON.stringify(own), { mode: 0o600 });
  try {
    for (let round = 0; ; round += 1) {
      signal?.throwIfAborted();
      if (
        await link(draft, file).then(
          () => true,
          () => false,
        )
      )
        break;
      const holder = await readHolder(file);
      if (holder !== null && (await isAlive(holder))) {
        if (round % 40 === 0) onWait(`waiting for process ${holder.pid}, which builds the same`);
        await sleep(POLL_MS, undefined, { signal });
        continue;
      }
      // Safe because: a dead holder never comes back, and of two that remove its lock only one links its own.
      if ((await readHolder(file))?.token === holder?.token) await rm(file, { force: true });
    }
  } finally {
    await rm(draft, { force: true });
  }
  const release = async (): Promise<void> => {
    if ((await readHolder(file))?.token === token) await rm(file, { force: true });
  };
  return { file, [Symbol.asyncDispose]: release };
}
