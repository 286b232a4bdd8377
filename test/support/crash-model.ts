// What a test of random crashes knows: which contents each file may have after what was asked for and what was answered,
// and what a daemon may hold on its host. Reads the state directory and the engine; changes nothing.

import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { loopDevicesUnder, mountsUnder } from './host-view.ts';
import type { TestDaemon } from './test-daemon.ts';

/** Contents a file may have; null: it is not there. */
type Possible = ReadonlySet<string | null>;

export class ExpectedFiles {
  /** `tenant/session` -> path -> contents. */
  readonly #sessions = new Map<string, Map<string, Possible>>();

  /** Announces a write; the returned function says that it was answered. */
  writing(session: string, path: string, content: string): () => void {
    const files = this.#sessions.get(session) ?? new Map<string, Possible>();
    this.#sessions.set(session, files);
    files.set(path, new Set([...(files.get(path) ?? [null]), content]));
    return () => files.set(path, new Set([content]));
  }

  /** The same of the deletion of its workspace. */
  deleting(session: string): () => void {
    const files = this.#sessions.get(session) ?? new Map<string, Possible>();
    for (const [path, possible] of files) files.set(path, new Set([...possible, null]));
    return () => {
      for (const path of files.keys()) files.set(path, new Set([null]));
    };
  }

  /** Whether a file may have this content; what was seen is from then on what is expected. */
  saw(session: string, path: string, content: string | null): boolean {
    const isPossible = (this.#sessions.get(session)?.get(path) ?? new Set<string | null>([null])).has(content);
    if (isPossible) this.#sessions.get(session)?.set(path, new Set([content]));
    return isPossible;
  }

  /** Every file that is not what it may be, as a sentence; what is found is from then on what is expected. */
  async differences(stateDir: string): Promise<string[]> {
    const found: string[] = [];
    const workspaces = await workspaceRecords(stateDir);
    for (const [session, files] of this.#sessions) {
      const workspace = workspaces.find(({ tenant, name }) => `${tenant}/${name}` === session);
      for (const [path, possible] of files) {
        const text = workspace === undefined ? null : await textOf(join(stateDir, 'pool', 'ws', workspace.id, path));
        if (!possible.has(text)) found.push(`${session}/${path} is ${text}, not ${[...possible].join(' or ')}`);
        files.set(path, new Set([text]));
      }
    }
    return found;
  }
}

const textOf = (path: string): Promise<string | null> => readFile(path, 'utf8').catch(() => null);
const list = (directory: string): Promise<string[]> => readdir(directory).catch(() => []);

const WorkspaceRecord = z.object({ id: z.string(), tenant: z.string().nullable(), name: z.string().nullable(), uid: z.int() });

async function workspaceRecords(stateDir: string): Promise<z.infer<typeof WorkspaceRecord>[]> {
  const directory = join(stateDir, 'workspaces');
  const names = (await list(directory)).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
  const texts = await Promise.all(names.map((name) => textOf(join(directory, name))));
  return texts.flatMap((text) => WorkspaceRecord.safeParse(JSON.parse(text ?? 'null')).data ?? []);
}

const SandboxRecord = z.object({ id: z.string(), tenant: z.string().nullable(), workspaceId: z.string() });

/** Whatever does not belong together, as sentences; empty when nothing is left over and nothing is missing. */
export async function leftovers(daemon: TestDaemon, sessions: readonly { readonly id: string }[]): Promise<string[]> {
  const { stateDir, driver } = daemon;
  const sandboxDir = join(stateDir, 'sandboxes');
  const files = await list(sandboxDir);
  const texts = await Promise.all(files.filter((name) => /^sb_\w+\.json$/.test(name)).map((name) => textOf(join(sandboxDir, name))));
  const records = texts.flatMap((text) => SandboxRecord.safeParse(JSON.parse(text ?? 'null')).data ?? []);
  const ids = new Set(records.map(({ id }) => id));
  const spares = records.filter(({ tenant }) => tenant === null);
  const containers = await Promise.all((await daemon.containers()).map((id) => driver.inspect(id).catch(() => null)));
  const labelled = containers.map((one) => one?.Config.Labels['cloister.sandbox'] ?? 'unlabelled');
  const workspaces = await workspaceRecords(stateDir);
  const subvolumes = await list(join(stateDir, 'pool', 'ws'));
  const uids = workspaces.map(({ uid }) => uid);
  return [
    ...differs('containers', labelled, 'sandbox records', [...ids]),
    ...differs(
      'slots',
      (await list(join(stateDir, 'run'))).map((slot) => `sb_${slot}`),
      'sandbox records',
      [...ids],
    ),
    ...differs(
      'claimed records',
      records.filter(({ tenant }) => tenant !== null).map(({ id }) => id),
      'sessions',
      sessions.map(({ id }) => id),
    ),
    ...files.filter((name) => !ids.has(name.replace(/\.(json|execs\.jsonl)$/, ''))).map((name) => `a file of no sandbox: ${name}`),
    ...(await list(join(stateDir, 'spool'))).filter((id) => !ids.has(id)).map((id) => `a spool of no sandbox: ${id}`),
    ...differs(
      'subvolumes',
      subvolumes,
      'workspace records',
      workspaces.map(({ id }) => id),
    ),
    ...differs(
      'workspaces of nobody',
      workspaces.filter(({ tenant }) => tenant === null).map(({ id }) => id),
      'spares',
      spares.map(({ workspaceId }) => workspaceId),
    ),
    ...records.filter(({ workspaceId }) => !subvolumes.includes(workspaceId)).map(({ id }) => `sandbox ${id} has no workspace`),
    ...(new Set(uids).size === uids.length ? [] : ['two workspaces have one uid']),
    ...(await list(join(stateDir, 'pool', 'new'))).map((name) => `half a workspace: ${name}`),
    ...(await temporaries(stateDir, ['workspaces', 'pool/meta'])).map((name) => `half a record: ${name}`),
  ];
}

async function temporaries(stateDir: string, directories: readonly string[]): Promise<string[]> {
  const names = await Promise.all(directories.map((directory) => list(join(stateDir, directory))));
  return names.flat().filter((name) => name.startsWith('.tmp-'));
}

function differs(name: string, values: readonly string[], otherName: string, others: readonly string[]): string[] {
  return [
    ...values.filter((value) => !others.includes(value)).map((value) => `${name}, but not ${otherName}: ${value}`),
    ...others.filter((other) => !values.includes(other)).map((other) => `${otherName}, but not ${name}: ${other}`),
  ];
}

/** What a daemon holds of the host whatever its sandboxes do. */
export async function hostHoldings(stateDir: string): Promise<{ readonly mounts: readonly string[]; readonly loops: readonly string[] }> {
  return { mounts: (await mountsUnder(stateDir)).sort(), loops: (await loopDevicesUnder(stateDir)).map((file) => basename(file)) };
}
