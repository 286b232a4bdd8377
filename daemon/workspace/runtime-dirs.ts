// Run directories: one per slot, writable for the daemon, read-only for the sandbox, plus a read-only view of init.
// Owns <stateDir>/run, run-ro, lib and lib-ro; must not know sandboxes, sessions or what listens on the sockets.

import { createHash } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import { writeFileAtomic } from '../observe/atomic-file.ts';
import { ensureBind, ensureTmpfs } from './ensure-mount.ts';
import { type MountFlag, removeMountStages, unmountAllUnder } from './mounts.ts';

/** sun_path holds 108 bytes with its final NUL. */
const MAX_SOCKET_PATH_BYTES = 107;
const SLOT_PATTERN = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const LONGEST_NAME = 'control.sock';
const RUN_FLAGS: readonly MountFlag[] = ['nosuid', 'nodev', 'noexec'];
const RUN_RO_FLAGS: readonly MountFlag[] = ['ro', ...RUN_FLAGS];
const LIB_RO_FLAGS: readonly MountFlag[] = ['ro', 'nosuid', 'nodev'];
const RUN_BYTES = 64 * 1024 * 1024;
/** Enough for 2,000 slots of 16 entries. */
const RUN_INODES = 32_768;
const MAX_FILES = 16;
const MAX_FILE_BYTES = 1024 * 1024;
const INIT_NAME = 'cloister-init';
const NONCE_NAME = 'nonce';

export interface RuntimeDirsOptions {
  readonly stateDir: string;
  /** Static cloister-init to show to sandboxes. */
  readonly initBinary: string;
  readonly log: Logger;
}

export interface CreateSlotOptions {
  /** The sandbox's identity: the only one that can read the nonce. */
  readonly uid: number;
  readonly gid: number;
  /** Text by relative path, readable by everyone, for example `etc/passwd`. */
  readonly files: Readonly<Record<string, string>>;
  /** One-time secret with which init proves who it is; removeNonce takes it away once it is used. */
  readonly nonce: string | Uint8Array;
}

export interface Slot {
  /** Where the daemon writes and listens. */
  readonly dir: string;
  /** What a sandbox gets as mount source: the same files, read-only. */
  readonly source: string;
}

export class RuntimeDirs implements AsyncDisposable {
  /** The init binary, on a mount that is ro,nosuid,nodev. */
  readonly initSource: string;
  readonly #runDir: string;
  readonly #runRoDir: string;
  readonly #libRoDir: string;

  private constructor(stateDir: string) {
    this.#runDir = join(stateDir, 'run');
    this.#runRoDir = join(stateDir, 'run-ro');
    this.#libRoDir = join(stateDir, 'lib-ro');
    this.initSource = join(this.#libRoDir, INIT_NAME);
  }

  /** Mounts the run directories, or adopts those that an earlier daemon left. */
  static async open(options: RuntimeDirsOptions): Promise<RuntimeDirs> {
    const stateDir = await realpath(options.stateDir);
    requireSocketLength(join(stateDir, 'run', 'x'.repeat(32), LONGEST_NAME));
    await removeMountStages(stateDir);
    const dirs = new RuntimeDirs(stateDir);
    const libDir = join(stateDir, 'lib');
    const adopted = await ensureTmpfs(dirs.#runDir, { sizeBytes: RUN_BYTES, inodes: RUN_INODES, mode: 0o711, flags: RUN_FLAGS });
    await ensureBind(dirs.#runDir, dirs.#runRoDir, RUN_RO_FLAGS);
    await mkdir(libDir, { recursive: true, mode: 0o755 });
    await installInit(options.initBinary, join(libDir, INIT_NAME));
    await ensureBind(libDir, dirs.#libRoDir, LIB_RO_FLAGS);
    options.log.info({ runDir: dirs.#runDir, adopted, slots: (await dirs.listSlots()).length }, 'run directories open');
    return dirs;
  }

  /** Makes the slot's directory with its files; a slot that exists is an error. */
  async createSlot(slot: string, options: CreateSlotOptions): Promise<Slot> {
    const paths = this.slot(slot);
    if (Object.keys(options.files).length > MAX_FILES)
      throw new SandboxError('INTERNAL', `Cannot create slot ${slot}: more than ${MAX_FILES} files`);
    await mkdir(paths.dir, { mode: 0o711 });
    try {
      await chmod(paths.dir, 0o711);
      for (const [name, text] of Object.entries(options.files)) await writePublicFile(paths.dir, name, text);
      const nonce = join(paths.dir, NONCE_NAME);
      await writeFile(nonce, options.nonce, { mode: 0o400, flag: 'wx' });
      await chown(nonce, options.uid, options.gid);
    } catch (error) {
      await this.removeSlot(slot);
      throw error;
    }
    return paths;
  }

  slot(slot: string): Slot {
    if (!SLOT_PATTERN.test(slot))
      throw new SandboxError('INTERNAL', `Cannot use slot ${JSON.stringify(slot)}: its name does not match ${SLOT_PATTERN.source}`);
    return { dir: join(this.#runDir, slot), source: join(this.#runRoDir, slot) };
  }

  /** Takes the one-time nonce away: once init has read it, nobody else may. */
  async removeNonce(slot: string): Promise<void> {
    await rm(join(this.slot(slot).dir, NONCE_NAME), { force: true });
  }

  /** Removes the slot's directory with sockets and files; one that does not exist is fine. */
  async removeSlot(slot: string): Promise<void> {
    await rm(this.slot(slot).dir, { recursive: true, force: true });
  }

  async listSlots(): Promise<string[]> {
    return (await readdir(this.#runDir)).filter((name) => SLOT_PATTERN.test(name));
  }

  /** Unmounts everything; only for a daemon that leaves no sandbox behind. */
  async dispose(): Promise<void> {
    for (const path of [this.#libRoDir, this.#runRoDir, this.#runDir]) await unmountAllUnder(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

async function writePublicFile(directory: string, name: string, text: string): Promise<void> {
  if (name !== normalize(name) || name.startsWith('/') || name.split('/').includes('..') || Buffer.byteLength(text) > MAX_FILE_BYTES) {
    throw new SandboxError('INTERNAL', `Cannot write slot file ${JSON.stringify(name)}: its path or size is not acceptable`);
  }
  const path = join(directory, name);
  for (let parent = dirname(path); parent !== directory; parent = dirname(parent)) {
    await mkdir(parent, { recursive: true });
    await chmod(parent, 0o755);
  }
  await writeFile(path, text, { flag: 'wx' });
  await chmod(path, 0o444);
}

/** A running sandbox keeps the file it was given: a changed init gets a new inode. */
async function installInit(source: string, target: string): Promise<void> {
  const wanted = await readFile(source);
  const present = await readFile(target).catch(() => undefined);
  const isCurrent = present !== undefined && digest(present) === digest(wanted) && ((await lstat(target)).mode & 0o7777) === 0o555;
  if (!isCurrent) await writeFileAtomic(target, wanted, { mode: 0o555 });
}

function digest(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

function requireSocketLength(path: string): void {
  const length = Buffer.byteLength(path);
  if (length <= MAX_SOCKET_PATH_BYTES) return;
  throw new SandboxError(
    'INVALID_REQUEST',
    `Cannot use this state directory: socket paths in it would have ${length} bytes, the limit is ${MAX_SOCKET_PATH_BYTES}`,
    {
      hint: 'Choose a state directory with a shorter path.',
    },
  );
}
