// The sandbox of a Mastra workspace: one session of Cloister, opened when it is first needed.

import {
  MastraSandbox,
  type CommandResult,
  type ExecuteCommandOptions,
  type MastraSandboxOptions,
  type ProviderStatus,
  type SandboxInfo,
} from '@mastra/core/workspace';
import type { Cloister, OpenOptions } from '../../client.ts';
import type { Sandbox } from '../../sandbox.ts';
import { type CommandOptions, DEFAULT_TIMEOUT_MS, told } from '../answer.ts';
import { CloisterProcesses, commandResult, execOptions } from './processes.ts';

type Lifecycle = Pick<MastraSandboxOptions, 'onStart' | 'onStop' | 'onDestroy'>;

export interface CloisterSandboxOptions extends CommandOptions, Lifecycle {
  readonly cloister: Cloister;
  /** What the session is opened with; its name is the sandbox's id. */
  readonly open: OpenOptions;
}

type Outcome = { outcome: 'created' | 'connected' };

/**
 * `stop` keeps the session's workspace for the next `start`, `destroy` deletes it.
 * @example
 *   const sandbox = new CloisterSandbox({ cloister, open: { session: 'build-42' } });
 *   const workspace = new Workspace({ sandbox, filesystem: new CloisterFilesystem(sandbox) });
 */
export class CloisterSandbox extends MastraSandbox {
  readonly id: string;
  readonly name = 'CloisterSandbox';
  readonly provider = 'cloister';
  status: ProviderStatus = 'pending';
  declare readonly processes: CloisterProcesses;
  readonly #options: CloisterSandboxOptions;
  #opened: Sandbox | null = null;

  constructor(options: CloisterSandboxOptions) {
    const { onStart, onStop, onDestroy, env, cwd } = options;
    const hooks = Object.fromEntries(Object.entries({ onStart, onStop, onDestroy }).filter(([, hook]) => hook !== undefined));
    super({
      ...hooks,
      name: 'CloisterSandbox',
      env: { ...env },
      workingDirectory: cwd ?? '/workspace',
      processes: new CloisterProcesses(options.secrets),
    });
    this.id = options.open.session;
    this.#options = options;
  }

  /** The session itself, once it is opened. */
  async opened(): Promise<Sandbox> {
    await this.ensureRunning();
    if (this.#opened === null) throw new Error(`Cannot use sandbox ${this.id}: it is ${this.status}`);
    return this.#opened;
  }

  override async start(): Promise<Outcome> {
    this.#opened = await told(() => this.#options.cloister.open(this.#options.open));
    return { outcome: this.#opened.created ? 'created' : 'connected' };
  }

  override async stop(): Promise<void> {
    await this.#close('keep');
  }

  override async destroy(): Promise<void> {
    await this.#close('delete');
  }

  /** `args` are arguments, whatever is in them. */
  override async executeCommand(command: string, args: string[] = [], options: ExecuteCommandOptions = {}): Promise<CommandResult> {
    const sandbox = await this.opened();
    const line = [command, ...args.map((arg) => `'${arg.replaceAll("'", "'\\''")}'`)].join(' ');
    const { onStdout, onStderr } = options;
    const result = await told(
      () =>
        sandbox.exec(line, {
          ...execOptions(this, options, { ...this.#options, timeoutMs: this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS }),
          ...(onStdout === undefined ? {} : { onStdout: (text: string) => onStdout(text) }),
          ...(onStderr === undefined ? {} : { onStderr: (text: string) => onStderr(text) }),
        }).result,
    );
    return { ...commandResult(result), command, args };
  }

  override async writeFiles(files: { path: string; content: string | Uint8Array; mode?: number | string }[]): Promise<void> {
    const sandbox = await this.opened();
    for (const { path, content, mode } of files) {
      const bits = typeof mode === 'string' ? Number.parseInt(mode, 8) : mode;
      await told(() => sandbox.files.write(path, content, bits === undefined ? {} : { mode: bits & 0o777 }));
    }
  }

  override getInfo(): SandboxInfo {
    const { id, name, provider, status } = this;
    const receipt = this.#opened?.receipt;
    return {
      id,
      name,
      provider,
      status,
      createdAt: new Date(receipt?.at ?? 0),
      metadata: receipt === undefined ? {} : { sandboxId: receipt.sandboxId, image: receipt.image.name, profile: receipt.profile },
    };
  }

  override getInstructions(): string {
    return 'Commands run in an isolated container; each is a shell of its own that starts in /workspace. Only /workspace and /tmp can be written. Network access is what the policy allows; a denial says which rule it was.';
  }

  async #close(workspace: 'keep' | 'delete'): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await opened?.close({ workspace });
  }
}
