// The main job of Cloister, end to end, on a real engine: two tenants, real work, and the isolation holding.
// Run it with `npm run demo`. Every step prints what was expected and what happened; a surprise exits 1.

import { join } from 'node:path';
import { Cloister, type ExecResult, SandboxError } from '../client/index.ts';
import { startDaemonProcess } from './demo/daemon-process.ts';
import { REAL_PACKAGE, uploadRealPackage } from './demo/real-package.ts';
import { Report } from './demo/report.ts';

const report = new Report((line) => process.stdout.write(`${line}\n`));
const outcome = (result: ExecResult): string => `${result.outcome} ${result.exitCode ?? result.signal ?? ''}`.trim();

const CALCULATOR = 'def add(a, b):\n    return a + b\n';
const CALCULATOR_TEST =
  'import unittest\nfrom calculator import add\n\nclass Adds(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(add(2, 3), 5)\n';
const FORK_BOMB = 'bomb() { bomb | bomb & }; bomb; sleep 5';
/** Not in plain sight, where the permission rules would see it. */
const HIDDEN_BOMB = ['bash', 'bomb.sh'];
const ALLOCATE_1_GIB = ['python3', '-c', 'x = bytearray(1024**3); print(len(x))'];

report.chapter('A daemon with an engine');
const daemon = await startDaemonProcess(join(import.meta.dirname, '..'));
try {
  const acmeClient = await Cloister.connect({ url: daemon.url, token: await daemon.token('acme') });
  const globexClient = await Cloister.connect({ url: daemon.url, token: await daemon.token('globex') });

  report.chapter('acme opens a sandbox, globex another');
  const acme = await acmeClient.open({ session: 'build', limits: { memoryBytes: 512 * 1024 ** 2, pids: 128 } });
  const globex = await globexClient.open({ session: 'build' });
  const { receipt } = acme;
  report.check(
    'the receipt lists what the kernel enforces',
    'uid not 0, no capability, NoNewPrivs, seccomp filter, only lo',
    `uid ${receipt.uid}, ${Object.values(receipt.capabilities).flat().length} capabilities, NoNewPrivs ${receipt.noNewPrivs}, seccomp mode ${receipt.seccomp.mode}, interfaces ${receipt.network.interfaces.join()}`,
    receipt.uid !== 0 &&
      Object.values(receipt.capabilities).flat().length === 0 &&
      receipt.noNewPrivs &&
      receipt.seccomp.mode === 2 &&
      receipt.network.interfaces.join() === 'lo',
  );

  report.chapter('acme writes a small Python project, tests it, commits it');
  await acme.files.write('project/calculator.py', CALCULATOR);
  await acme.files.write('project/test_calculator.py', CALCULATOR_TEST);
  const tests = await acme.exec('python3 -m unittest -v', { cwd: 'project' });
  report.equal('its unit tests pass', 'exited 0', outcome(tests));
  const commit = await acme.exec(
    'git init -q && git add . && git -c user.name=acme -c user.email=acme@example.com commit -qm "Add calculator" && git log --oneline | wc -l',
    { cwd: 'project' },
  );
  report.equal('git has one commit', '1', commit.stdout.trim());

  report.chapter('acme streams a 10-second build live');
  const arrivals: number[] = [];
  const build = acme.exec('for step in 1 2 3 4 5 6 7 8 9 10; do echo "step $step of 10"; sleep 1; done');
  for await (const chunk of build) {
    arrivals.push(Date.now());
    report.show(chunk.text.trimEnd());
  }
  const spreadMs = (arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0);
  report.check(
    'lines arrive while it runs',
    'more than 8 s between the first and the last',
    `${(spreadMs / 1000).toFixed(1)} s`,
    spreadMs > 8000,
  );
  report.equal('it ends by itself', 'exited 0', outcome(await build));

  report.chapter(`acme runs the test suite of ${REAL_PACKAGE.name}, a real package from npm`);
  report.show(`${await uploadRealPackage(acme, 'npm')} files uploaded`);
  const suite = await acme.exec(['node', 'test.js'], { cwd: `npm/node_modules/${REAL_PACKAGE.name}` });
  report.show(suite.stdout.trim().split('\n').slice(-4).join(' '));
  report.equal('the suite passes', 'exited 0', outcome(suite));

  report.chapter('globex looks for the files of acme');
  await acme.files.write('secret.txt', 'acme only');
  report.equal('its own workspace is empty', 0, (await globex.files.list('.')).entries.length);
  report.equal('by path: there is no such file', 'exited 1', outcome(await globex.exec(['cat', '/workspace/secret.txt'])));
  report.equal('by .. in a file call', 'PATH_ESCAPES_WORKSPACE', await codeOf(globex.files.read('../secret.txt')));
  await globex.exec(['ln', '-s', '/proc/1/root', 'root']);
  report.equal('by a symlink in a file call', 'PATH_ESCAPES_WORKSPACE', await codeOf(globex.files.read('root/workspace/secret.txt')));
  const stolen = await Cloister.connect({ url: daemon.url, token: await daemon.token('globex') });
  report.equal('by listing: only its own sandbox is there', 1, (await stolen.list()).length);
  await stolen.close();

  report.chapter('acme tries to reach the network');
  const connect = 'import socket; s = socket.create_connection(("1.1.1.1", 80), 3); print("connected")';
  report.equal('a raw connect', 'exited 1', outcome(await acme.exec(['python3', '-c', connect])));
  const metadata = await acme.exec(['curl', '--noproxy', '*', '-sS', '-m', '3', 'http://169.254.169.254/latest/meta-data/']);
  report.check('the metadata service', 'exited 7 (no route)', `${outcome(metadata)} ${metadata.stderr.trim()}`, metadata.exitCode === 7);

  report.chapter('acme misbehaves; globex goes on working');
  const refused = await acme.exec(FORK_BOMB);
  report.equal('a fork bomb in plain sight', 'denied (floor.forkBomb)', `${outcome(refused)} (${refused.rule ?? ''})`);
  await acme.files.write('bomb.sh', FORK_BOMB);
  const bomb = acme.exec(HIDDEN_BOMB, { timeoutMs: 4000 });
  const during = await globex.exec(['echo', 'still here']);
  report.equal('globex during a fork bomb of acme', 'still here', during.stdout.trim());
  report.show(`the fork bomb: ${outcome(await bomb)}`);
  report.equal('acme works again afterwards', 'exited 0', outcome(await acme.exec(['true'])));
  const allocation = await acme.exec(ALLOCATE_1_GIB);
  report.equal('1 GiB of memory under a limit of 512 MiB', 'oomKilled', outcome(allocation));
  report.equal('globex after it', 'exited 0', outcome(await globex.exec(['true'])));

  report.chapter('acme exceeds its time');
  const late = await acme.exec('sleep 301 & setsid sleep 302 & sleep 303', { timeoutMs: 1000 });
  report.equal('the command is timed out', 'timedOut', outcome(late));
  report.equal('and nothing of it is left', '0', (await acme.exec('pgrep -c sleep || true')).stdout.trim());

  report.chapter('Closing');
  await acme.close({ workspace: 'delete' });
  await globex.close({ workspace: 'delete' });
  report.equal('no sandbox is left', 0, (await acmeClient.list()).length + (await globexClient.list()).length);
  await acmeClient.close();
  await globexClient.close();
} finally {
  await daemon.stop();
}
process.stdout.write(report.surprises === 0 ? '\nEverything happened as expected.\n' : `\n${report.surprises} surprises.\n`);
process.exitCode = report.surprises === 0 ? 0 : 1;

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'no error';
  } catch (error) {
    return SandboxError.is(error) ? error.code : String(error);
  }
}
