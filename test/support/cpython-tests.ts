// CPython's own tests, from Debian's package: downloaded once into the cache, unpacked, and a runner that says per test what became of it.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

const run = promisify(execFile);
const PACKAGE = 'libpython3.11-testsuite';
const PACKED = 'usr/lib/python3.11/test';

export const MODULES = ['test_pty', 'test_signal', 'test_subprocess', 'test_fcntl'];
const DATA = ['signalinterproctester.py', 'subprocessdata'];

export const Verdicts = z.record(z.string(), z.string());
/** Test -> `ok`, `FAILED: ...` or `skipped: <reason>`. */
export type Verdicts = z.infer<typeof Verdicts>;

/** Arguments: module, and where its verdicts go. The image has the rest of the `test` package; ours is put before it. */
export const RUNNER = `
import json, shutil, sys, unittest
here = sys.path[0]; name = sys.argv[1]
shutil.copytree('/usr/lib/python3.11/test', here + '/' + name + '/test', ignore=shutil.ignore_patterns('__pycache__'))
shutil.copytree(here + '/test', here + '/' + name + '/test', dirs_exist_ok=True)
sys.path.insert(0, here + '/' + name)
verdicts = {}
class Result(unittest.TextTestResult):
  def addSuccess(self, test): verdicts.setdefault(test.id(), 'ok')
  def addSkip(self, test, reason): verdicts[test.id()] = 'skipped: ' + reason
  def addError(self, test, error): verdicts[test.id()] = 'FAILED: ' + self._exc_info_to_string(error, test)[-2000:]
  def addFailure(self, test, error): self.addError(test, error)
  def addSubTest(self, test, subtest, error):
    if error is not None: self.addError(test, error)
unittest.TextTestRunner(resultclass=Result).run(unittest.defaultTestLoader.loadTestsFromName('test.' + name))
json.dump(verdicts, open(sys.argv[2], 'w'))
`;

/** Files of the tests, by path below the directory that the runner stands in. */
export async function testFiles(cacheDir: string): Promise<ReadonlyMap<string, Buffer>> {
  const root = join(await unpacked(cacheDir), PACKED);
  const names = [...MODULES.map((name) => `${name}.py`), ...DATA];
  const files = new Map<string, Buffer>([['run.py', Buffer.from(RUNNER)]]);
  for (const name of names) {
    const inside = name.endsWith('.py')
      ? [name]
      : (await readdir(join(root, name))).filter((file) => file.endsWith('.py')).map((file) => `${name}/${file}`);
    for (const file of inside) files.set(`test/${file}`, await readFile(join(root, file)));
  }
  return files;
}

async function unpacked(cacheDir: string): Promise<string> {
  const target = join(cacheDir, PACKAGE);
  if ((await readdir(target).catch(() => [])).length > 0) return target;
  await mkdir(cacheDir, { recursive: true });
  const staging = await mkdtemp(join(cacheDir, `${PACKAGE}-`));
  try {
    await run('apt-get', ['download', '-q', PACKAGE], { cwd: staging });
    const [archive = ''] = await readdir(staging);
    await run('dpkg-deb', ['-x', join(staging, archive), join(staging, 'files')]);
    await rename(join(staging, 'files'), target);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return target;
}
