// A SandboxSession over one sandbox, for SandboxAgent: commands with PTY and yield-and-resume, files, images, ports.

import type { Editor, ToolOutputImage } from '@openai/agents';
import type * as sdk from '@openai/agents/sandbox';
import type { ExecOptions } from '../../exec-options.ts';
import type { SandboxFiles } from '../../files.ts';
import type { Sandbox } from '../../sandbox.ts';
import { type CommandOptions, commandOptions, shortened, told } from '../answer.ts';
import { type Progress, ResumableCommands } from '../resumable-commands.ts';
import { kindOf, MAX_LISTED, readImage } from '../workspace-files.ts';
import { below } from '../workspace-path.ts';
import { createEditor } from './editor.ts';

const EXEC_YIELD_MS = 10_000;
const POLL_YIELD_MS = 250;
const CHARACTERS_PER_TOKEN = 4;
const TERMINAL = { columns: 120, rows: 40 };

export interface CloisterSessionState extends sdk.SandboxSessionState {
  /** The name under which Cloister opens it again. */
  session: string;
}

/**
 * Made by CloisterSandboxClient, or over a sandbox of one's own: `run(agent, input, { sandbox: { session } })`. Its methods
 * run as the sandbox's only user; `runAs` is refused.
 */
export class CloisterSandboxSession implements sdk.SandboxSession<CloisterSessionState> {
  readonly state: CloisterSessionState;
  readonly #sandbox: Sandbox;
  readonly #defaults: ExecOptions;
  readonly #commands: ResumableCommands;

  constructor(sandbox: Sandbox, manifest: sdk.Manifest, options: CommandOptions = {}) {
    this.#sandbox = sandbox;
    this.#commands = new ResumableCommands(sandbox);
    this.state = { manifest, session: sandbox.session, workspaceReady: true };
    // A model goes on with what takes long, so nothing but the session's end limits it unless asked for.
    this.#defaults = { ...commandOptions(options), timeoutMs: options.timeoutMs };
  }

  supportsPty(): boolean {
    return true;
  }

  async exec(args: sdk.ExecCommandArgs): Promise<sdk.SandboxExecResult> {
    this.#filesFor(args.runAs);
    const { cmd, workdir = this.#defaults.cwd, shell, login, tty, yieldTimeMs = EXEC_YIELD_MS, maxOutputTokens } = args;
    const command = shell === undefined ? cmd : [shell, login === true ? '-lc' : '-c', cmd];
    const env = { ...this.#defaults.env, ...this.state.environment };
    const options = { ...this.#defaults, cwd: workdir, env, pty: tty === true ? TERMINAL : undefined };
    return resultOf(await this.#commands.start(command, options, yieldTimeMs), maxOutputTokens);
  }

  async execCommand(args: sdk.ExecCommandArgs): Promise<string> {
    return formatted(await this.exec(args));
  }

  async writeStdin({ sessionId, chars = '', yieldTimeMs = POLL_YIELD_MS, maxOutputTokens }: sdk.WriteStdinArgs): Promise<string> {
    const progress = await this.#commands.goOn(sessionId, chars, yieldTimeMs);
    if (progress === 'notRunning') return `write_stdin failed: session not found: ${sessionId}`;
    if (progress === 'noTerminal') return 'write_stdin failed: stdin is closed; start the command with tty=true';
    return formatted(resultOf(progress, maxOutputTokens));
  }

  createEditor(runAs?: string): Editor {
    this.#filesFor(runAs);
    return createEditor(this.#sandbox);
  }

  readFile({ path, maxBytes, runAs }: sdk.ReadFileArgs): Promise<Uint8Array> {
    return told(async () => await this.#filesFor(runAs).read(path, maxBytes === undefined ? {} : { length: maxBytes }));
  }

  async viewImage({ path, runAs }: sdk.ViewImageArgs): Promise<ToolOutputImage> {
    return { type: 'image', image: await told(() => readImage(this.#filesFor(runAs), path)) };
  }

  async listDir({ path, runAs }: sdk.ListDirectoryArgs): Promise<sdk.SandboxDirectoryEntry[]> {
    const { entries } = await told(() => this.#filesFor(runAs).list(path, { limit: MAX_LISTED }));
    return entries.map(({ path: name, kind }) => ({
      name,
      path: below(path, name),
      type: kind === 'directory' ? 'dir' : kind === 'file' ? 'file' : 'other',
    }));
  }

  pathExists(path: string, runAs?: string): Promise<boolean> {
    return this.#filesFor(runAs).exists(path);
  }

  async directoryExists(path: string, runAs?: string): Promise<boolean> {
    return (await kindOf(this.#filesFor(runAs), path)) === 'directory';
  }

  /** Files and directories with their content here; anything that names the host or a mount is refused. */
  async materializeEntry({ path, entry, runAs }: sdk.MaterializeEntryArgs): Promise<void> {
    await told(() => put(this.#filesFor(runAs), path, entry));
  }

  async applyManifest({ entries }: sdk.Manifest, runAs?: string): Promise<void> {
    for (const [path, entry] of Object.entries(entries)) await told(() => put(this.#filesFor(runAs), path, entry));
  }

  async resolveExposedPort(port: number): Promise<sdk.ExposedPortEndpoint> {
    const url = new URL(await told(() => this.#sandbox.ports.url(port)));
    const tls = url.protocol === 'https:';
    return { host: url.hostname, port: Number(url.port || (tls ? 443 : 80)), tls, query: url.search.slice(1), url: url.href };
  }

  async running(): Promise<boolean> {
    return await this.#sandbox.execs().then(
      () => true,
      () => false,
    );
  }

  /** Ends the sandbox; its workspace is kept as it was opened, so that the client can resume the session. */
  async close(): Promise<void> {
    await this.#commands.close();
    await this.#sandbox[Symbol.asyncDispose]();
  }

  #filesFor(runAs: string | undefined): SandboxFiles {
    if (runAs !== undefined) throw new Error(`Cannot act as ${runAs}: a sandbox has one user`);
    return this.#sandbox.files;
  }
}

async function put(files: SandboxFiles, path: string, entry: sdk.Entry): Promise<void> {
  if (entry.type === 'file') await files.write(path, entry.content);
  else if (entry.type === 'dir') {
    await files.mkdir(path);
    for (const [name, child] of Object.entries(entry.children ?? {})) await put(files, `${path}/${name}`, child);
  } else throw new Error(`Cannot put ${path} into the workspace: entries of type ${entry.type} are not supported`);
}

function resultOf({ text, waitedMs, exitCode, number }: Progress, maxTokens: number | undefined): sdk.SandboxExecResult {
  const output = shortened(text, maxTokens === undefined ? undefined : maxTokens * CHARACTERS_PER_TOKEN);
  const end = number === null ? { exitCode } : { exitCode, sessionId: number };
  return { output, stdout: text, stderr: '', wallTimeSeconds: waitedMs / 1000, ...end };
}

/** As the SDK's own sandboxes tell it to a model. */
function formatted({ output, wallTimeSeconds, exitCode, sessionId }: sdk.SandboxExecResult): string {
  const end =
    sessionId === undefined ? `Process exited with code ${exitCode ?? 'unknown'}` : `Process running with session ID ${sessionId}`;
  return [`Wall time: ${wallTimeSeconds.toFixed(4)} seconds`, end, 'Output:', output].join('\n');
}
