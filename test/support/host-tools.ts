// Programs of this host that the base image does not have, copied with their libraries into a directory that a sandbox can
// have as its workspace. The image is of the same Debian release.

import { execFile } from 'node:child_process';
import { chown, copyFile, cp, mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const OWNER = 54_322;
/** The image's own C library and loader belong together. */
const OF_THE_IMAGE = /\/(?:libc|libm|libdl|libpthread|librt|ld-linux[\w.-]*)\.so/;
const CHROMIUM = '/usr/lib/chromium';
const PROGRAMS = {
  sqlite3: '/usr/bin/sqlite3',
  tmux: '/usr/bin/tmux',
  vim: '/usr/bin/vim.basic',
  strace: '/usr/bin/strace',
  gdb: '/usr/bin/gdb',
  chromium: `${CHROMIUM}/chromium`,
} as const;

export interface HostTools extends AsyncDisposable {
  /** A root of workspaces for the daemon's configuration. */
  readonly root: string;
  readonly directory: string;
}

export async function copyHostTools(): Promise<HostTools> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'cl-tools-')));
  const directory = join(root, 'workspace');
  for (const name of ['bin', 'lib']) await mkdir(join(directory, name), { recursive: true });
  const libraries = new Set<string>();
  for (const [name, path] of Object.entries(PROGRAMS)) {
    await copyFile(path, join(directory, 'bin', name));
    const { stdout } = await run('ldd', [path]);
    for (const [, library = ''] of stdout.matchAll(/(?:=> |^\s+)(\/\S+)/gm)) if (!OF_THE_IMAGE.test(library)) libraries.add(library);
  }
  for (const library of libraries) await copyFile(library, join(directory, 'lib', basename(library)));
  await cp('/usr/share/gdb', join(directory, 'gdb'), { recursive: true });
  const beside = (await readdir(CHROMIUM)).filter((file) => /\.(?:pak|dat|bin)$/.test(file));
  for (const file of [...beside, 'locales/en-US.pak']) {
    await mkdir(join(directory, 'bin', 'locales'), { recursive: true });
    await copyFile(join(CHROMIUM, file), join(directory, 'bin', file));
  }
  for (const path of [root, directory]) await chown(path, OWNER, OWNER);
  return {
    root,
    directory,
    async [Symbol.asyncDispose]() {
      await rm(root, { recursive: true, force: true });
    },
  };
}
