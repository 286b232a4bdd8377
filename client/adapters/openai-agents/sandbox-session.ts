// A SandboxSession over one sandbox, for SandboxAgent: commands with PTY and yield-and-resume, files, images, ports.

import type { Editor, ToolOutputImage } from '@openai/agents';
import type {
  Entry,
  ExecCommandArgs,
  ExposedPortEndpoint,
  ListDirectoryArgs,
  Manifest,
  MaterializeEntryArgs,
  ReadFileArgs,
  SandboxDirectoryEntry,
  SandboxExecResult,
  SandboxSession,
  SandboxSessionState,
  ViewImageArgs,
  WriteStdinArgs,
} from '@openai/agents/sandbox';
import { SandboxError } from '../../errors.ts';
import type { Sandbox } from '../../sandbox.ts';
import { type CommandOptions, commandOptions, told } from '../answer.ts';
import { below } from '../workspace-path.ts';
import { createEditor } from './editor.ts';
import { formatted, UnifiedExec } from './unified-exec.ts';

const MAX_IMAGE_BYTES = 10 * 1024 * 1024;
const MAX_LISTED = 10_000;

export interface CloisterSessionState extends SandboxSessionState {
  /** The name under which Cloister opens it again. */
  session: string;
}

/**
 * Made by CloisterSandboxClient, or over a sandbox of one's own: `run(agent, input, { sandbox: { session } })`. Its methods
 * run as the sandbox's only user; `runAs` is refused.
 */
export class CloisterSandboxSession implements SandboxSession<CloisterSessionState> {
  readonly state: CloisterSessionState;
  readonly #sandbox: Sandbox;
  readonly #exec: UnifiedExec;

  constructor(sandbox: Sandbox, manifest: Manifest, options: CommandOptions = {}) {
    this.#sandbox = sandbox;
    this.state = { manifest, session: sandbox.session, workspaceReady: true };
    // A model goes on with what takes long, so nothing but the session's end limits it unless asked for.
    this.#exec = new UnifiedExec(sandbox, { ...commandOptions(options), timeoutMs: options.timeoutMs });
  }

  supportsPty(): boolean {
    return true;
  }

  exec(args: ExecCommandArgs): Promise<SandboxExecResult> {
    noOtherUser(args.runAs);
    return this.#exec.start(args, this.state.environment ?? {});
  }

  async execCommand(args: ExecCommandArgs): Promise<string> {
    return formatted(await this.exec(args));
  }

  async writeStdin(args: WriteStdinArgs): Promise<string> {
    return formatted(await this.#exec.goOn(args));
  }

  createEditor(runAs?: string): Editor {
    noOtherUser(runAs);
    return createEditor(this.#sandbox);
  }

  readFile({ path, maxBytes, runAs }: ReadFileArgs): Promise<Uint8Array> {
    noOtherUser(runAs);
    return told(() => this.#sandbox.files.read(path, maxBytes === undefined ? {} : { length: maxBytes }));
  }

  async viewImage({ path, runAs }: ViewImageArgs): Promise<ToolOutputImage> {
    const data = await this.readFile({ path, maxBytes: MAX_IMAGE_BYTES + 1, ...(runAs === undefined ? {} : { runAs }) });
    if (data.byteLength > MAX_IMAGE_BYTES) throw new Error(`Image file exceeds the 10 MB limit: ${path}`);
    const mediaType = mediaTypeOf(data);
    if (mediaType === null) throw new Error(`Unsupported image format for view_image: ${path}`);
    return { type: 'image', image: { data: Uint8Array.from(data), mediaType } };
  }

  async listDir({ path, runAs }: ListDirectoryArgs): Promise<SandboxDirectoryEntry[]> {
    noOtherUser(runAs);
    const { entries } = await told(() => this.#sandbox.files.list(path, { limit: MAX_LISTED }));
    return entries.map(({ path: name, kind }) => ({
      name,
      path: below(path, name),
      type: kind === 'directory' ? 'dir' : kind === 'file' ? 'file' : 'other',
    }));
  }

  async pathExists(path: string, runAs?: string): Promise<boolean> {
    noOtherUser(runAs);
    return (await this.#kindOf(path)) !== null;
  }

  async directoryExists(path: string, runAs?: string): Promise<boolean> {
    noOtherUser(runAs);
    return (await this.#kindOf(path)) === 'directory';
  }

  /** Files and directories with their content here; anything that names the host or a mount is refused. */
  async materializeEntry({ path, entry, runAs }: MaterializeEntryArgs): Promise<void> {
    noOtherUser(runAs);
    await told(() => this.#put(path, entry));
  }

  async applyManifest(manifest: Manifest, runAs?: string): Promise<void> {
    for (const [path, entry] of Object.entries(manifest.entries)) {
      await this.materializeEntry({ path, entry, ...(runAs === undefined ? {} : { runAs }) });
    }
  }

  async resolveExposedPort(port: number): Promise<ExposedPortEndpoint> {
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
    await this.#exec.close();
    await this.#sandbox[Symbol.asyncDispose]();
  }

  async #put(path: string, entry: Entry): Promise<void> {
    const { files } = this.#sandbox;
    if (entry.type === 'file') await files.write(path, entry.content);
    else if (entry.type === 'dir') {
      await files.mkdir(path);
      for (const [name, child] of Object.entries(entry.children ?? {})) await this.#put(`${path}/${name}`, child);
    } else throw new Error(`Cannot put ${path} into the workspace: entries of type ${entry.type} are not supported`);
  }

  async #kindOf(path: string): Promise<string | null> {
    try {
      return (await this.#sandbox.files.stat(path)).kind;
    } catch (error) {
      if (SandboxError.is(error, 'FILE_NOT_FOUND') || SandboxError.is(error, 'NOT_DIRECTORY')) return null;
      throw error;
    }
  }
}

function noOtherUser(runAs: string | undefined): void {
  if (runAs !== undefined) throw new Error(`Cannot act as ${runAs}: a sandbox has one user`);
}

/** Of the formats that models see. */
function mediaTypeOf(bytes: Uint8Array): string | null {
  const head = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  if (head.startsWith('\u0089PNG')) return 'image/png';
  if (head.startsWith('\u00ff\u00d8\u00ff')) return 'image/jpeg';
  if (head.startsWith('GIF8')) return 'image/gif';
  return head.startsWith('RIFF') && head.slice(8) === 'WEBP' ? 'image/webp' : null;
}
