// The SandboxClient of the SDK: makes, resumes and deletes sessions on one Cloister connection.

import { randomBytes } from 'node:crypto';
import { Manifest, normalizeSandboxClientCreateArgs, type SandboxClient, type SandboxClientCreateArgs } from '@openai/agents/sandbox';
import { z } from 'zod';
import type { Cloister, OpenOptions } from '../../client.ts';
import type { CommandOptions } from '../answer.ts';
import { WORKSPACE } from '../workspace-path.ts';
import { CloisterSandboxSession, type CloisterSessionState } from './sandbox-session.ts';

export interface CloisterSandboxClientOptions extends CommandOptions {
  readonly cloister: Cloister;
  /** What every session is opened with; its name too, which is a new one each time unless given. */
  readonly open?: Partial<OpenOptions> | undefined;
}

/** What is kept of a session between runs; comes back from where the application keeps it. */
const StoredState = z.looseObject({ session: z.string(), manifest: z.record(z.string(), z.unknown()) });

/**
 * @example
 *   const client = new CloisterSandboxClient({ cloister, open: { profile: 'workspace-write' } });
 *   await run(agent, 'Fix the tests', { sandbox: { client } });
 */
export class CloisterSandboxClient implements SandboxClient<Record<string, unknown>, CloisterSessionState> {
  readonly backendId = 'cloister';
  readonly #options: CloisterSandboxClientOptions;

  constructor(options: CloisterSandboxClientOptions) {
    this.#options = options;
  }

  async create(args?: SandboxClientCreateArgs | Manifest): Promise<CloisterSandboxSession> {
    const { manifest } = normalizeSandboxClientCreateArgs(args);
    const session = await this.#open(this.#options.open?.session ?? `agents-${randomBytes(9).toString('hex')}`, manifest);
    try {
      session.state.environment = await manifest.resolveEnvironment();
      await session.applyManifest(manifest);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** Opens the session by its name: as it is if it lives, otherwise a new sandbox with its workspace. */
  async resume(state: CloisterSessionState): Promise<CloisterSandboxSession> {
    const session = await this.#open(state.session, state.manifest);
    session.state.environment = await state.manifest.resolveEnvironment();
    return session;
  }

  /** Ends the session and deletes its workspace. */
  async delete({ session }: CloisterSessionState): Promise<void> {
    const sandbox = await this.#options.cloister.open({ ...this.#options.open, session });
    await sandbox.close({ workspace: 'delete' });
  }

  async serializeSessionState({ session, manifest }: CloisterSessionState): Promise<Record<string, unknown>> {
    const { version, root, users, groups } = manifest;
    return { session, manifest: { version, root, users, groups } };
  }

  async deserializeSessionState(stored: Record<string, unknown>): Promise<CloisterSessionState> {
    const { session, manifest } = StoredState.parse(stored);
    return { session, manifest: new Manifest(manifest), workspaceReady: true };
  }

  async #open(name: string, manifest: Manifest): Promise<CloisterSandboxSession> {
    if (manifest.root !== WORKSPACE) throw new Error(`Cannot open the session: its root is ${WORKSPACE} and not ${manifest.root}`);
    const { cloister, open, ...commands } = this.#options;
    return new CloisterSandboxSession(await cloister.open({ ...open, session: name }), manifest, commands);
  }
}
