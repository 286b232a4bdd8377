// Tools that are not in the image, from Debian's packages: programs and what they need, for a sandbox's workspace.

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** With the libraries that the image does not have; without those that a program is linked with. */
export const RUST = [
  ...['cargo', 'rustc', 'libstd-rust-1.63', 'libllvm14', 'libz3-4', 'libedit2', 'libbsd0', 'libmd0', 'libxml2', 'libicu72'],
  ...['libgit2-1.5', 'libmbedtls14', 'libmbedx509-1', 'libmbedcrypto7', 'libhttp-parser2.9', 'libssh2-1'],
];
const FETCHING = ['golang-1.19-go', 'openjdk-17-jre-headless', ...RUST];
const WANTED = ['usr/lib/go-1.19/bin/go', 'usr/lib/jvm', 'usr/bin/cargo', 'usr/bin/rustc', 'usr/lib/rustlib', 'usr/lib/x86_64-linux-gnu'];
/** Java's configuration is linked to /etc, where a sandbox has none. */
const INLINE =
  'find tree/usr -type l -lname \'/etc/*\' | while read -r link; do from=tree$(readlink "$link"); rm "$link"; [ ! -e "$from" ] || cp -r "$from" "$link"; done';

/** What packages hold, below `tree` of the directory. */
export async function unpackPackages(directory: string, packages: readonly string[]): Promise<void> {
  await run('apt-get', ['download', '-q', ...packages], { cwd: directory });
  for (const name of (await readdir(directory)).filter((file) => file.endsWith('.deb'))) {
    await run('dpkg', ['-x', name, 'tree'], { cwd: directory });
    await rm(join(directory, name));
  }
  await run('sh', ['-c', INLINE], { cwd: directory });
}

/** A tar of `go`, `cargo` and Java's runtime, below `usr/`. */
export async function downloadToolchains(): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'cl-toolchains-'));
  try {
    await unpackPackages(directory, FETCHING);
    await run('tar', ['-cf', 'tools.tar', '-C', 'tree', ...WANTED], { cwd: directory });
    return await readFile(join(directory, 'tools.tar'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
