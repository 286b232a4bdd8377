// Directories of the host as workspaces: only under roots that the operator named, and bound through a mount of our own that is
// checked after it was made. Owns that check and <stateDir>/host; nothing in such a directory is ever deleted here.

import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, realpath, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SandboxError } from '../../client/protocol/errors.ts';
import { ensureBind } from './ensure-mount.ts';
import { removeMountStages, unmount, unmountAllUnder } from './mounts.ts';
import { requireWorkspaceId } from './store.ts';
import type { UidRange } from './uid-allocator.ts';

export interface HostDirectoriesOptions {
  /** Canonical path of the state directory. */
  readonly stateDir: string;
  /** Directories below which, or which themselves, a session may name. */
  readonly roots: readonly string[];
  /** Uids that workspaces of the store have. */
  readonly uidRange: UidRange;
  /** Other uids that no sandbox may have. */
  readonly reservedUids: readonly number[];
}

export interface HostOwner {
  readonly uid: number;
  readonly gid: number;
}

export class HostDirectories {
  readonly #options: HostDirectoriesOptions;
  readonly #root: string;
  readonly #readonlyRoot: string;

  private constructor(options: HostDirectoriesOptions) {
    this.#options = options;
    this.#root = join(options.stateDir, 'host');
    this.#readonlyRoot = join(options.stateDir, 'host-ro');
  }

  static async open(options: HostDirectoriesOptions): Promise<HostDirectories> {
    const directories = new HostDirectories({ ...options, stateDir: await realpath(options.stateDir) });
    for (const root of [directories.#root, directories.#readonlyRoot]) {
      await mkdir(root, { recursive: true, mode: 0o700 });
      await removeMountStages(root);
    }
    return directories;
  }

  path(id: string): string {
    return join(this.#root, requireWorkspaceId(id));
  }

  readonlyPath(id: string): string {
    return join(this.#readonlyRoot, requireWorkspaceId(id));
  }

  /** Shows the directory at path(id) and readonlyPath(id), and says as whom a sandbox on it runs. POLICY_INVALID if it may not be. */
  async bind(id: string, hostPath: string): Promise<HostOwner> {
    const directory = await this.#open(hostPath);
    try {
      const found = await directory.stat();
      const owner = this.#requireOwner(hostPath, { uid: found.uid, gid: found.gid });
      await ensureBind(hostPath, this.path(id), ['nosuid', 'nodev']);
      const shown = await stat(this.path(id));
      // Between the look and the mount somebody may have put another directory under the name.
      if (shown.dev !== found.dev || shown.ino !== found.ino) throw refusal(hostPath, 'it was replaced while it was bound');
      await ensureBind(this.path(id), this.readonlyPath(id), ['ro', 'nosuid', 'nodev']);
      return owner;
    } catch (error) {
      await this.unbind(id);
      throw error;
    } finally {
      await directory.close();
    }
  }

  /** The directory stays as it is. Idempotent. */
  async unbind(id: string): Promise<void> {
    for (const path of [this.readonlyPath(id), this.path(id)]) {
      await unmount(path);
      // Only an empty directory of ours goes.
      await rmdir(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
  }

  /** At start: takes away what no sandbox uses any more. */
  async keepOnly(isInUse: (id: string) => boolean): Promise<void> {
    for (const id of await readdir(this.#root)) if (!isInUse(id)) await this.unbind(id);
  }

  async dispose(): Promise<void> {
    await unmountAllUnder(this.#readonlyRoot);
    await unmountAllUnder(this.#root);
  }

  /** Component by component from the root, following no symlink. */
  async #open(hostPath: string): Promise<FileHandle> {
    const { roots, stateDir } = this.#options;
    const parts = hostPath.split('/').slice(1);
    if (!hostPath.startsWith('/') || parts.some((part) => part === '' || part === '.' || part === '..'))
      throw refusal(hostPath, 'it is not an absolute path without empty parts and dots');
    if (!roots.some((root) => isWithin(hostPath, root))) throw refusal(hostPath, 'it is not below a configured root');
    if (isWithin(hostPath, stateDir) || isWithin(stateDir, hostPath))
      throw refusal(hostPath, 'it holds state of the daemon, or lies in it');
    let directory = await open('/', constants.O_RDONLY | constants.O_DIRECTORY);
    for (const part of parts) {
      const parent = directory;
      try {
        const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
        directory = await open(`/proc/self/fd/${parent.fd}/${part}`, flags);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        throw refusal(hostPath, code === 'ENOENT' ? 'it does not exist' : `${JSON.stringify(part)} in it is a symlink or no directory`);
      } finally {
        await parent.close();
      }
    }
    return directory;
  }

  #requireOwner(hostPath: string, owner: HostOwner): HostOwner {
    const { uidRange, reservedUids } = this.#options;
    const { uid, gid } = owner;
    if (uid === 0 || gid === 0) throw refusal(hostPath, 'it belongs to root, by its user or its group');
    if ((uid >= uidRange.first && uid <= uidRange.last) || reservedUids.includes(uid))
      throw refusal(hostPath, `its owner ${uid} is a user that Cloister gives to others`);
    return owner;
  }
}

/** Either is the other, or lies below it. */
export function overlaps(a: string, b: string): boolean {
  return isWithin(a, b) || isWithin(b, a);
}

function isWithin(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`);
}

function refusal(hostPath: string, cause: string): SandboxError {
  return new SandboxError('POLICY_INVALID', `Cannot use host directory ${JSON.stringify(hostPath.slice(0, 300))}: ${cause}`, {
    hint: 'Name a directory below one of workspace.hostRoots that belongs to an ordinary user; a sandbox runs as its owner.',
  });
}
