// What package tools fetch: a git repository, a Python index and an npm registry with one tiny package each, as plain files.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const GIT_IDENTITY = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'init.defaultBranch=main'];
const WHEEL = `import zipfile, sys
z = zipfile.ZipFile(sys.argv[1], "w")
z.writestr("tiny.py", "answer = 42\\n")
z.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
z.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
z.writestr("tiny-1.0.dist-info/RECORD", "")
z.close()`;

export interface TestPackages extends AsyncDisposable {
  /** Where its files lie; gone with it. */
  readonly directory: string;
  readonly listener: RequestListener;
}

/** `/apt/tiny.deb` and what a repository of it says. */
async function debianPackage(root: string): Promise<string> {
  const tree = join(root, 'deb');
  await mkdir(join(tree, 'DEBIAN'), { recursive: true });
  await mkdir(join(root, 'apt'));
  const control = 'Package: tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: t <t@example.org>\nDescription: tiny\n';
  await writeFile(join(tree, 'DEBIAN', 'control'), control);
  await run('dpkg-deb', ['--build', tree, join(root, 'apt', 'tiny.deb')]);
  const bytes = await readFile(join(root, 'apt', 'tiny.deb'));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return `${control}Filename: ./tiny.deb\nSize: ${bytes.length}\nSHA256: ${sha256}\n`;
}

/** `/crates.git`, the index of a registry with one crate, and that crate at `/crates/tiny.crate`. */
async function crateRegistry(root: string, host: string): Promise<void> {
  const crate = join(root, 'crate', 'tiny-1.0.0');
  await mkdir(join(crate, 'src'), { recursive: true });
  await mkdir(join(root, 'crates'));
  await writeFile(join(crate, 'Cargo.toml'), '[package]\nname = "tiny"\nversion = "1.0.0"\n');
  await writeFile(join(crate, 'src', 'lib.rs'), '');
  const file = join(root, 'crates', 'tiny.crate');
  await run('tar', ['-czf', file, '-C', join(root, 'crate'), 'tiny-1.0.0']);
  const cksum = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  const index = join(root, 'index');
  await mkdir(join(index, 'ti', 'ny'), { recursive: true });
  await writeFile(join(index, 'config.json'), JSON.stringify({ dl: `https://${host}/crates/{crate}.crate` }));
  await writeFile(
    join(index, 'ti', 'ny', 'tiny'),
    `${JSON.stringify({ name: 'tiny', vers: '1.0.0', deps: [], cksum, features: {}, yanked: false })}\n`,
  );
  await publishTree(index, join(root, 'crates.git'));
}

/** As a bare repository that any web server can serve. */
async function publishTree(work: string, bare: string): Promise<void> {
  const git = (...args: string[]) => run('git', [...GIT_IDENTITY, ...args], { cwd: work });
  await git('init', '-q');
  await git('add', '.');
  await git('commit', '-qm', 'first');
  await run('git', ['clone', '-q', '--bare', work, bare]);
  await run('git', ['update-server-info'], { cwd: bare });
}

/** `/repo.git`, `/simple/tiny/`, `/npm/tiny`, `/apt` a registry of crates and a Go module's words, with links to `https://host`. */
export async function makeTestPackages(host: string): Promise<TestPackages> {
  const root = await mkdtemp(join(tmpdir(), 'cl-packages-'));
  const work = join(root, 'work');
  await mkdir(join(work, 'package'), { recursive: true });
  await writeFile(join(work, 'package', 'package.json'), JSON.stringify({ name: 'tiny', version: '1.0.0', main: 'index.js' }));
  await writeFile(join(work, 'package', 'index.js'), 'module.exports = 42;\n');
  await run('tar', ['-czf', join(root, 'tiny.tgz'), '-C', work, 'package']);
  await publishTree(work, join(root, 'repo.git'));
  await crateRegistry(root, host);
  await run('python3', ['-c', WHEEL, join(root, 'tiny-1.0-py3-none-any.whl')]);
  const packages = await debianPackage(root);
  const pages: Readonly<Record<string, string>> = {
    '/simple/tiny/': '<!DOCTYPE html><html><body><a href="/tiny-1.0-py3-none-any.whl">tiny-1.0-py3-none-any.whl</a></body></html>',
    '/apt/Packages': packages,
    '/go/tiny.test/tiny/@v/v1.0.0.info': JSON.stringify({ Version: 'v1.0.0', Time: '2024-01-01T00:00:00Z' }),
    '/go/tiny.test/tiny/@v/v1.0.0.mod': 'module tiny.test/tiny\n',
    '/npm/tiny': JSON.stringify({
      name: 'tiny',
      'dist-tags': { latest: '1.0.0' },
      versions: { '1.0.0': { name: 'tiny', version: '1.0.0', dist: { tarball: `https://${host}/tiny.tgz` } } },
    }),
  };
  return {
    directory: root,
    listener: (request, response) => {
      const path = ((request.url ?? '').split('?')[0] ?? '').replaceAll('/./', '/');
      const page = pages[path];
      if (page !== undefined)
        return void response.setHeader('Content-Type', path.startsWith('/npm') ? 'application/json' : 'text/html').end(page);
      if (path.includes('..')) return void response.writeHead(400).end();
      readFile(join(root, path)).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(`hello from ${request.headers.host ?? ''}${path}\n`),
      );
    },
    async [Symbol.asyncDispose]() {
      await rm(root, { recursive: true, force: true });
    },
  };
}
