// The sandbox of a Mastra workspace: one session of Cloister, opened when it is first needed.

import * as mastra from '@mastra/core/workspace';
import type { Cloister, OpenOptions } from '../../client.ts';
import type { Sandbox } from '../../sandbox.ts';
import { type CommandOptions, DEFAULT_TIMEOUT_MS, heardBy, told } from '../answer.ts';
import { CloisterProcesses, commandResult, execOptions } from './processes.ts';

export interface CloisterSandboxOptions extends CommandOptions, Pick<mastra.MastraSandboxOptions, 'onStart' | 'onStop' | 'onDestroy'> {
  readonly cloister: Cloister;
  /** What the session is opened with; its name is the sandbox's id. */
  readonly open: OpenOptions;
}

/**
 * `stop` keeps the session's workspace for the next `start`, `destroy` deletes it.
 * @example
 *   const sandbox = new CloisterSandbox({ cloister, open: { session: 'build-42' } });
 *   const workspace = new Workspace({ sandbox, filesystem: new CloisterFilesystem(sandbox) });
 */
export class CloisterSandbox extends mastra.MastraSandbox {
  readonly id: string;
  readonly name = 'CloisterSandbox';
  readonly provider = 'cloister';
  status: mastra.ProviderStatus = 'pending';
  declare readonly processes: CloisterProcesses;
  readonly #options: CloisterSandboxOptions;
  #opened: Sandbox | null = null;

  constructor(options: CloisterSandboxOptions) {
    const { cloister: _cloister, open, cwd, env, secrets, timeoutMs: _timeoutMs, ...hooks } = options;
    const processes = new CloisterProcesses(secrets);
    super({ ...hooks, name: 'CloisterSandbox', env: { ...env }, workingDirectory: cwd ?? '/workspace', processes });
    this.id = open.session;
    this.#options = options;
  }

  /** The session itself, once it is opened. */
  async opened(): Promise<Sandbox> {
    await this.ensureRunning();
    if (this.#opened === null) throw new Error(`Cannot use sandbox ${this.id}: it is ${this.status}`);
    return this.#opened;
  }

  override async start(): Promise<{ outcome: 'created' | 'connected' }> {
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
  override async executeCommand(
    command: string,
    args: string[] = [],
    options: mastra.ExecuteCommandOptions = {},
  ): Promise<mastra.CommandResult> {
    const sandbox = await this.opened();
    const { secrets, timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
    const asked = { ...execOptions(this, { timeout: timeoutMs, ...options }), ...heardBy(options), secrets };
    const line = [command, ...args.map((arg) => `'${arg.replaceAll("'", "'\\''")}'`)].join(' ');
    return { ...commandResult(await told(() => sandbox.exec(line, asked).result)), command, args };
  }

  override async writeFiles(files: mastra.SandboxFileInput[]): Promise<void> {
    const sandbox = await this.opened();
    for (const { path, content, ...options } of files) await told(() => sandbox.files.write(path, content, options));
  }

  override getInfo(): mastra.SandboxInfo {
    const { id, name, provider, status } = this;
    const { at = 0, sandboxId, image, profile } = this.#opened?.receipt ?? {};
    const metadata = sandboxId === undefined ? {} : { sandboxId, image: image?.name, profile };
    return { id, name, provider, status, createdAt: new Date(at), metadata };
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
