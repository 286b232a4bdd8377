// The persistent shell: state survives, every run has its own output and exit code, and no output can pass for the end of one.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox, Shell, ShellRunResult } from '../../client/index.ts';
import { eventually } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

let daemon: TestDaemon;
let sandbox: Sandbox;
let shell: Shell;

beforeAll(async () => {
  daemon = await startTestDaemon();
  sandbox = await (await daemon.connect('acme')).open({ session: 'shell' });
  shell = await sandbox.shell();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

/** The shell is as it should be between runs. */
async function expectAlive(of: Shell = shell): Promise<void> {
  expect(await of.run('echo alive; echo "well" >&2; (exit 7)')).toMatchObject({
    outcome: 'exited',
    exitCode: 7,
    stdout: 'alive\n',
    stderr: 'well\n',
    stateLost: false,
  });
}

describe('state that survives from run to run:', () => {
  test.each<[string, string, string, string]>([
    ['the directory', 'mkdir -p deep/er && cd deep/er', 'pwd; cd /workspace', '/workspace/deep/er\n'],
    ['an exported variable', 'export MODE=test', "sh -c 'echo $MODE'", 'test\n'],
    ['a variable of the shell', 'list=(a "b c")', 'echo "${#list[@]} ${list[1]}"', '2 b c\n'],
    ['a function', 'greet() { echo "hello $1"; }', 'greet you', 'hello you\n'],
    ['an alias', 'alias twice="echo 2"', 'twice', '2\n'],
    ['an option', 'set -o pipefail', 'false | true; echo $?; set +o pipefail', '1\n'],
    ['what was read', 'read -r REPLY <<< mine', 'echo $REPLY', 'mine\n'],
    ['an own prompt', 'PS1="(venv) "', 'echo out', 'out\n'],
  ])('%s', async (_, first, second, output) => {
    expect(await shell.run(first)).toMatchObject({ outcome: 'exited', exitCode: 0, stdout: '', stderr: '' });
    expect(await shell.run(second)).toMatchObject({ outcome: 'exited', exitCode: 0, stdout: output, stderr: '' });
  });

  test('a background job, which goes on between runs', async () => {
    await shell.run('rm -f ticks; (while sleep 0.05; do echo tick >> ticks; done) & job=$!');
    const ticks = async () => Number((await shell.run('wc -l < ticks 2>/dev/null || echo 0')).stdout);
    expect(await eventually(ticks, (n) => n >= 3)).toBeGreaterThanOrEqual(3);
    expect(await shell.run('kill $job && wait $job; echo $?')).toMatchObject({ stdout: '143\n' });
  });
});

describe('a run', () => {
  test.each<[string, string, Partial<ShellRunResult>]>([
    ['that fails', '(exit 42)', { exitCode: 42, stdout: '', stderr: '' }],
    ['that is not found', 'no-such-command 2>/dev/null', { exitCode: 127 }],
    ['that died of a signal', "sh -c 'kill -TERM $$'", { exitCode: 143 }],
    ['with bad syntax', 'if then', { exitCode: 2, stdout: '' }],
    ['with an open quote', "echo 'open", { exitCode: 2, stdout: '' }],
    ['with an unknown variable under set -u', '(set -u; echo $none) 2>/dev/null', { exitCode: 1, stdout: '' }],
    ['with an error that drops the rest of it', 'echo $((1/0)); echo after', { stdout: expect.stringContaining('') as string }],
    ['of several lines', 'for n in 1 2\ndo\n  echo $n\ndone', { exitCode: 0, stdout: '1\n2\n' }],
    ['with a here-document', 'cat <<END\nit\'s "quoted"\nEND', { exitCode: 0, stdout: 'it\'s "quoted"\n' }],
    ['that ends in a comment', 'echo one # two', { exitCode: 0, stdout: 'one\n' }],
    ['that ends in a backslash', 'echo one \\', { exitCode: 0 }],
    ['of nothing', '', { exitCode: 0, stdout: '', stderr: '' }],
    ['without newline at the end', 'printf out; printf err >&2', { exitCode: 0, stdout: 'out', stderr: 'err' }],
    ['that reads stdin', 'cat; echo read', { exitCode: 0, stdout: 'read\n' }],
    ["that reads the shell's own stdin", 'timeout 0.3 cat /proc/$$/fd/0; echo read', { exitCode: 0, stdout: 'read\n' }],
    [
      'with bytes that are no text',
      'head -c 256 /dev/zero | tr "\\0" "\\377" | wc -c; printf "\\377\\000\\200"',
      { exitCode: 0, stdout: '256\n\ufffd\0\ufffd' },
    ],
  ])('%s has its own result, and the next one too', async (_, command, expected) => {
    expect(await shell.run(command)).toMatchObject({ outcome: 'exited', stateLost: false, ...expected });
    await expectAlive();
  });

  test("that redirects the shell's own output still ends", async () => {
    expect(await shell.run('exec >redirected 2>&1; echo hidden')).toMatchObject({ outcome: 'exited', exitCode: 0, stdout: '', stderr: '' });
    expect(await shell.run('cat redirected >&2')).toMatchObject({ outcome: 'exited', exitCode: 1 });
    await shell.restart();
    expect(await shell.run('cat redirected')).toMatchObject({ stdout: expect.stringMatching(/^hidden\n/) as string });
  });

  test('gives its output while it runs, and 1 MiB of it in one piece each', async () => {
    let stdout = '';
    let stderr = '';
    await shell.run('for n in $(seq 1 16); do head -c 65536 /dev/zero | tr "\\0" o; head -c 65536 /dev/zero | tr "\\0" e >&2; done', {
      onStdout: (text) => (stdout += text),
      onStderr: (text) => (stderr += text),
    });
    expect([stdout.length, /^o+$/.test(stdout), stderr.length, /^e+$/.test(stderr)]).toEqual([1_048_576, true, 1_048_576, true]);
  });

  test('follows the one before: 50 in a row, called at once', async () => {
    const results = await Promise.all(Array.from({ length: 50 }, (_, n) => shell.run(`echo ${n}; echo e${n} >&2; (exit ${n})`)));
    expect(results.map(({ stdout, stderr, exitCode }) => [stdout, stderr, exitCode])).toEqual(
      Array.from({ length: 50 }, (_, n) => [`${n}\n`, `e${n}\n`, n]),
    );
  });
});

describe('a run that is interrupted loses nothing but itself:', () => {
  test.each<[string, string]>([
    ['it sleeps', 'sleep 100; echo never'],
    ['it is a busy loop', 'while :; do :; done'],
    ['it is a busy loop in a function', 'spin() { while :; do :; done; }; spin; echo never'],
    ['it starts one process after the other', 'while :; do /bin/true; done'],
    ['it is a pipeline', 'yes | cat | sleep 100; echo never'],
    ['its child ignores SIGINT', '(trap "" INT; sleep 100)'],
    ['its child catches SIGINT and goes on', "bash -c 'trap : INT; while :; do sleep 1; done'; sleep 100"],
    ['it waits for a job', 'sleep 0.1 & wait; sleep 100'],
    ['it has a trap of its own', 'trap "echo trapped" INT; sleep 100; trap - INT; sleep 100'],
  ])('%s', async (_, command) => {
    await shell.run('kept=yes; trap - INT; sleep 300 & job=$!');
    const run = await shell.run(`echo begun; ${command}`, { timeoutMs: 300 });
    expect(run).toMatchObject({ outcome: 'timedOut', exitCode: null, stateLost: false });
    expect(run.stdout).toMatch(/^begun\n/);
    expect(run.stdout).not.toContain('never');
    expect(await shell.run('echo $kept; kill -0 $job && kill $job; wait $job 2>/dev/null; trap - INT')).toMatchObject({ stdout: 'yes\n' });
    await expectAlive();
  });

  test('an abort does it too, also before the beginning', async () => {
    const abort = new AbortController();
    const run = shell.run('sleep 100', { signal: abort.signal });
    setTimeout(() => abort.abort(), 200);
    expect(await run).toMatchObject({ outcome: 'killed', exitCode: null, stateLost: false });
    expect(await shell.run('touch never', { signal: AbortSignal.abort() })).toMatchObject({ outcome: 'killed' });
    expect(await sandbox.files.exists('never')).toBe(false);
    await expectAlive();
  });

  test('at any moment: 40 time-outs about when the run ends anyway', async () => {
    for (let n = 0; n < 40; n += 1) {
      const { outcome, stateLost } = await shell.run('sleep 0.02', { timeoutMs: 1 + ((n * 7) % 40) });
      expect([['exited', 'timedOut'].includes(outcome), stateLost]).toEqual([true, false]);
    }
    await expectAlive();
  });

  test("but a shell that can't be interrupted goes with it, and says so", async () => {
    const own = await sandbox.shell();
    expect(await own.run('trap "" INT; while :; do :; done', { timeoutMs: 100 })).toMatchObject({ outcome: 'timedOut', stateLost: true });
    await expectAlive(own);
    await own.close();
  });
});

describe("the end of a run can't be imitated by", () => {
  test.each<[string, string]>([
    [
      'what a command learns of the shell',
      'tr "\\0" "\\n" < /proc/$$/cmdline; tr "\\0" "\\n" < /proc/$$/environ; env; set; declare -f; echo "$BASH_COMMAND $BASH_EXECUTION_STRING $_"; ls -l /proc/$$/fd',
    ],
    ['what the shell shows of itself', 'set -vx; echo a; set +vx'],
    ['what the shell shows from run to run', 'set -vx'],
    ['what a trap is told', 'trap \'echo "$BASH_COMMAND:0"\' DEBUG'],
    ['guesses', 'for n in 0 1 2; do printf "%032d:%d\\n" $n 0; printf "%032x:1000\\n%032x:2001\\n" $n $n; done'],
    ['output on the copies of its streams', 'echo guess:0 >&198; echo guess:0 >&199'],
    ['every byte there is', 'printf "$(printf "\\\\x%x" $(seq 0 255))"'],
    ['pieces that come one byte at a time', 'for c in a b c d e f 0 1 2 3 : 0; do printf $c; sleep 0.01; done; echo'],
  ])('%s', async (_, command) => {
    const own = await sandbox.shell();
    const first = await own.run(`${command}\n(exit 9)`);
    expect(first).toMatchObject({ outcome: 'exited', exitCode: 9, stateLost: false });
    expect(await own.run('trap - DEBUG; echo later; (exit 8)')).toMatchObject({
      outcome: 'exited',
      exitCode: 8,
      stdout: expect.stringMatching(/later\n$/) as string,
    });
    await own.close();
  });
});

describe('a shell that ends', () => {
  test('in a run says so, and the next run has a fresh one', async () => {
    const own = await sandbox.shell();
    await own.run('kept=yes');
    expect(await own.run('echo last; exit 3')).toMatchObject({ outcome: 'ended', exitCode: 3, stdout: 'last\n', stateLost: true });
    expect(await own.run('echo "${kept-gone}"')).toMatchObject({ outcome: 'exited', stdout: 'gone\n' });
    await own.close();
  });

  test('by restart begins anew, and its jobs are gone', async () => {
    await sandbox.files.mkdir('restarted');
    const own = await sandbox.shell({ cwd: 'restarted', env: { GIVEN: 'always' } });
    const { stdout } = await own.run('cd /; sleep 300 & echo $!');
    const under = own.run('sleep 100');
    await own.restart();
    expect(await under).toMatchObject({ outcome: 'ended', exitCode: null, stateLost: true });
    expect(await own.run('pwd; echo $GIVEN')).toMatchObject({ stdout: '/workspace/restarted\nalways\n' });
    expect(await own.run(`kill -0 ${stdout.trim()}`)).toMatchObject({ exitCode: 1 });
    await own.close();
    await expect(own.run('true')).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
