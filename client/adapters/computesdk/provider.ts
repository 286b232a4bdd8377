// The provider: a sandbox of ComputeSDK is a session, its id the session's name.

import { randomBytes } from 'node:crypto';
import { defineProvider, type CommandResult, type RunCommandOptions } from '@computesdk/provider';
import type { Cloister, OpenOptions } from '../../client.ts';
import type { ExecResult, SandboxInfo } from '../../protocol/index.ts';
import type { Sandbox } from '../../sandbox.ts';
import { answerOf, type CommandOptions, commandOptions, heardBy } from '../answer.ts';

export interface CloisterProviderConfig extends CommandOptions {
  readonly cloister: Cloister;
  /** What every sandbox is opened with. */
  readonly open?: Partial<OpenOptions> | undefined;
}

/** A session as this provider holds it. */
interface Held {
  readonly sandbox: Sandbox;
  readonly config: CloisterProviderConfig;
}

interface Identified {
  readonly sandbox: Held;
  readonly sandboxId: string;
}

/**
 * `name` and `namespace` name the session, which is opened again if it lives; `timeout` is its time to live, `metadata` its
 * labels, `image` one of the operator's. Snapshots and templates are not offered. `destroy` deletes the workspace.
 * @example
 *   const compute = cloister({ cloister: await Cloister.connect({ url, token }) });
 *   const sandbox = await compute.sandbox.create({ name: 'build-42' });
 */
export const cloister: ReturnType<typeof defineProvider<Held, CloisterProviderConfig>> = defineProvider<Held, CloisterProviderConfig>({
  name: 'cloister',
  methods: {
    sandbox: {
      async create(config, options = {}) {
        const { name, namespace, timeout, image, envs, metadata, snapshotId, templateId, signal } = options;
        if (snapshotId !== undefined || templateId !== undefined) {
          throw new Error('Cannot create the sandbox: snapshots and templates are not offered\nhint: Name an image of the operator.');
        }
        signal?.throwIfAborted();
        const session = [namespace, name ?? `compute-${randomBytes(9).toString('hex')}`].filter(Boolean).join('.');
        const labels = Object.fromEntries(Object.entries(metadata ?? {}).map(([key, value]) => [key, String(value)]));
        const asked = { ...config.open, ...defined({ image, ttlMs: timeout }), env: { ...config.open?.env, ...envs } };
        const sandbox = await config.cloister.open({ ...asked, labels: { ...config.open?.labels, ...labels }, session });
        if (signal?.aborted === true) await sandbox.close({ workspace: 'delete' });
        signal?.throwIfAborted();
        return identified(config, sandbox);
      },
      async getById(config, sandboxId) {
        const info = await infoOf(config, sandboxId);
        return info === undefined ? null : identified(config, await config.cloister.open({ session: sandboxId }));
      },
      /** Of sessions that another connection controls it gives a participant's view. */
      async list(config) {
        const infos = await config.cloister.list();
        return await Promise.all(
          infos.map(async ({ session }) => identified(config, await config.cloister.open({ session, role: 'participant' }))),
        );
      },
      async destroy(config, sandboxId) {
        const info = await infoOf(config, sandboxId);
        if (info !== undefined) await config.cloister.closeSandbox(info.id, { workspace: 'delete' });
      },
      runCommand: run,
      streamCommand: run,
      async getInfo({ sandbox, config }) {
        const info = await infoOf(config, sandbox.session);
        return {
          id: sandbox.session,
          provider: 'cloister',
          status: info === undefined ? 'stopped' : 'running',
          createdAt: new Date(info?.createdAt ?? sandbox.receipt.at),
          timeout: config.timeoutMs ?? 0,
          metadata: info?.labels ?? {},
        };
      },
      async getUrl({ sandbox }, { port, protocol }) {
        const url = new URL(await sandbox.ports.url(port));
        if (protocol !== undefined) url.protocol = protocol;
        return url.href;
      },
      filesystem: {
        readFile: ({ sandbox }, path) => sandbox.files.readText(path),
        writeFile: async ({ sandbox }, path, content) => void (await sandbox.files.write(path, content)),
        mkdir: ({ sandbox }, path) => sandbox.files.mkdir(path),
        exists: ({ sandbox }, path) => sandbox.files.exists(path),
        remove: async ({ sandbox }, path) => void (await sandbox.files.remove(path, { recursive: true })),
        async readdir({ sandbox }, path) {
          const { entries } = await sandbox.files.list(path);
          return entries.map((entry) => ({
            name: entry.path,
            type: entry.kind === 'directory' ? 'directory' : 'file',
            size: entry.size,
            modified: new Date(entry.modifiedAt),
          }));
        },
      },
    },
  },
});

async function run({ sandbox, config }: Held, command: string, options: RunCommandOptions = {}): Promise<CommandResult> {
  const { cwd, env, timeout, background } = options;
  const defaults = commandOptions(config);
  const asked = { ...defaults, ...defined({ cwd, timeoutMs: timeout }), env: { ...defaults.env, ...env } };
  if (background === true) {
    // It is answered as soon as it runs, and goes on to the session's end.
    const started = await sandbox.exec(command, { ...asked, timeoutMs: timeout, background: true, yieldMs: 0 });
    return {
      stdout: '',
      stderr: '',
      exitCode: started.outcome === 'running' ? 0 : resultOf(started).exitCode,
      durationMs: started.durationMs,
    };
  }
  return resultOf(await sandbox.exec(command, { ...asked, ...heardBy(options) }));
}

function resultOf(result: ExecResult): CommandResult {
  const { stdout, stderr, exitCode } = answerOf(result);
  return { stdout, stderr, exitCode, durationMs: result.durationMs };
}

const infoOf = async ({ cloister }: CloisterProviderConfig, session: string): Promise<SandboxInfo | undefined> =>
  (await cloister.list()).find((info) => info.session === session);

const identified = (config: CloisterProviderConfig, sandbox: Sandbox): Identified => ({
  sandbox: { sandbox, config },
  sandboxId: sandbox.session,
});

/** Without what is not given, so that it hides no default. */
function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
