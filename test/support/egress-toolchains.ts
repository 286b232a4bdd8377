// Tools that are not in the image, from Debian's packages: programs and what they need in one archive, for a sandbox's workspace.

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PACKAGES = ['golang-1.19-go', 'openjdk-17-jre-headless'];
const WANTED = ['usr/lib/go-1.19/bin/go', 'usr/lib/jvm'];
/** Java's configuration is linked to /etc, where a sandbox has none. */
const INLINE =
  'find tree/usr -type l -lname \'/etc/*\' | while read -r link; do from=tree$(readlink "$link"); rm "$link"; [ ! -e "$from" ] || cp -r "$from" "$link"; done';

/** A tar of `go` and Java's runtime, below `usr/`. */
export async function downloadToolchains(): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'cl-toolchains-'));
  try {
    await run('apt-get', ['download', '-q', ...PACKAGES], { cwd: directory });
    for (const name of await readdir(directory)) await run('dpkg', ['-x', name, 'tree'], { cwd: directory });
    await run('sh', ['-c', INLINE], { cwd: directory });
    await run('tar', ['-cf', 'tools.tar', '-C', 'tree', ...WANTED], { cwd: directory });
    return await readFile(join(directory, 'tools.tar'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
