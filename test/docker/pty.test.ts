// Real programs on a terminal in a sandbox, and the command line's own terminal passed through to one.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Execution, Sandbox } from '../../client/index.ts';
import { eventually } from '../support/eventually.ts';
import { inHostTerminal, type TerminalRun, type TerminalStep } from '../support/host-terminal.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const PACKAGE_ROOT = join(import.meta.dirname, '../..');
const SIZE = { columns: 80, rows: 24 };
/** A prompt that no command line contains as it is echoed. */
const PROMPT = 'PS1=%READY%; PROMPT_COMMAND=';

let daemon: TestDaemon;
let sandbox: Sandbox;

beforeAll(async () => {
  daemon = await startTestDaemon();
  sandbox = await (await daemon.connect('acme')).open({ session: 'pty' });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

/** What appeared on a screen, waited for. */
class Screen {
  text = '';
  readonly #execution: Execution;
  readonly #done: Promise<void>;

  constructor(execution: Execution) {
    this.#execution = execution;
    this.#done = this.#read();
    // Told to whoever waits for the end.
    this.#done.catch(() => undefined);
  }

  /** Types, then waits until what came since then matches. */
  async type(keys: string, awaited: RegExp): Promise<string> {
    const from = this.text.length;
    await this.#execution.write(keys);
    const seen = await eventually(
      () => this.text.slice(from),
      (text) => awaited.test(text),
    );
    expect(seen).toMatch(awaited);
    return seen;
  }

  async seen(awaited: RegExp): Promise<void> {
    expect(
      await eventually(
        () => this.text,
        (text) => awaited.test(text),
      ),
    ).toMatch(awaited);
  }

  end(): Promise<void> {
    return this.#done;
  }

  async #read(): Promise<void> {
    for await (const chunk of this.#execution) this.text += chunk.text;
  }
}

async function inTerminal(
  command: string | string[],
  size = SIZE,
  env: Record<string, string> = {},
): Promise<{ execution: Execution; screen: Screen }> {
  const execution = sandbox.exec(command, { pty: size, env });
  return { execution, screen: new Screen(execution) };
}

async function inBash(): Promise<{ execution: Execution; screen: Screen }> {
  const opened = await inTerminal(['bash', '--norc', '-i'], SIZE, { TERM: 'dumb' });
  await opened.screen.type(`${PROMPT}\n`, /%READY%$/);
  return opened;
}

describe('a terminal', () => {
  test('is the controlling one of a session of its own, of the right size, in cooked mode', async () => {
    const { execution, screen } = await inTerminal(
      'tty; stty size; stty -a | grep -o " icanon\\| echo "; ps -o pid=,sid=,tpgid= -p $$ | awk \'{print ($1==$2), ($2==$3)}\'; test -r /dev/tty && echo tty',
      { columns: 132, rows: 50 },
    );
    await screen.end();
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 0 });
    expect(screen.text).toMatch(/^\/dev\/pts\/\d+\r\n50 132\r\n icanon\r\n echo \r\n1 1\r\ntty\r\n$/);
  });

  test('tells programs of a new size', async () => {
    const { execution, screen } = await inBash();
    await execution.resize({ columns: 100, rows: 30 });
    await screen.type('stty size\n', /30 100\r\n/);
    await screen.type('python3 -c "import os; print(os.get_terminal_size())"\n', /columns=100, lines=30/);
    await execution.resize({ columns: 1, rows: 1 });
    await screen.type('stty size\n', /1 1\r/);
    await execution.kill();
    expect(await execution).toMatchObject({ outcome: 'killed' });
  });

  const onHangup = (file: string) =>
    `sh -c 'trap "" TERM; trap "echo hung up > ${file}; exit" HUP; echo $((40 + 2)); while :; do sleep 0.05; done'\n`;

  test('hangs up on what runs in its foreground when its shell is gone', async () => {
    const { execution, screen } = await inBash();
    await screen.type('echo pid $$\n', /pid \d+\r\n/);
    await screen.type(onHangup('first'), /42\r\n/);
    await sandbox.exec(`kill -9 ${/pid (\d+)\r/.exec(screen.text)?.[1] ?? ''}`);
    expect(await execution).toMatchObject({ outcome: 'signalled', signal: 'SIGKILL' });
    expect(
      await eventually(
        () => sandbox.files.readText('first').catch(() => ''),
        (text) => text !== '',
      ),
    ).toBe('hung up\n');
  });

  test('hangs up on all of it when it is killed', async () => {
    const { execution, screen } = await inBash();
    await screen.type(onHangup('second'), /42\r\n/);
    await execution.kill();
    expect(await execution).toMatchObject({ outcome: 'killed', by: 'caller' });
    expect(await sandbox.files.readText('second')).toBe('hung up\n');
  });

  test('passes SIGHUP to its foreground', async () => {
    const { execution, screen } = await inBash();
    await screen.type(onHangup('third'), /42\r\n/);
    await execution.kill('SIGHUP');
    expect((await execution).outcome).toBe('killed');
    expect(await sandbox.files.readText('third')).toBe('hung up\n');
  });
});

describe('job control', () => {
  test('stops, lists, resumes in background and foreground, and interrupts', async () => {
    const { execution, screen } = await inBash();
    await execution.write('sleep 1000\n');
    await screen.seen(/sleep 1000\r\n$/);
    await screen.type('\u001a', /Stopped\s+sleep 1000[^]*%READY%$/);
    await screen.type('jobs\n', /\[1\]\+\s+Stopped\s+sleep 1000/);
    await screen.type('bg\n', /\[1\]\+ sleep 1000 &/);
    await screen.type('fg\n', /sleep 1000\r\n/);
    await screen.type('\u0003', /\^C[^]*%READY%$/);
    await screen.type('echo $?\n', /130\r\n/);
    await screen.type('exit 4\n', /exit/);
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 4 });
  });

  test('keeps a background process from reading the terminal', async () => {
    const { execution, screen } = await inBash();
    await screen.type('cat &\n', /%READY%/);
    await screen.type('sleep 0.2; jobs\n', /Stopped\s+cat/);
    await screen.type('kill -9 %1; sleep 0.1\nexit\nexit\n', /exit/);
    expect((await execution).outcome).toBe('exited');
  });

  test('ends a program at Ctrl-\\ and a shell at Ctrl-D', async () => {
    const { execution, screen } = await inBash();
    await execution.write('sleep 1000\n');
    await screen.seen(/sleep 1000\r\n$/);
    await screen.type('\u001c', /Quit[^]*%READY%$/);
    await screen.type('\u0004', /exit/);
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 131 });
  });
});

describe('programs that draw:', () => {
  test('less pages, searches and quits', async () => {
    const { execution, screen } = await inTerminal('seq 1 500 > numbers; less numbers');
    await screen.seen(/23\r\n[^]*numbers/);
    await screen.type(' ', /46/);
    await screen.type('/^300\n', /300[^]*322/);
    await screen.type('G', /500/);
    await screen.type('q', /\[\?1049l/);
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 0 });
  });

  test("top shows the sandbox's own processes and quits", async () => {
    const { execution, screen } = await inTerminal('top -d 0.2');
    await screen.seen(/cloiste[^]*top/);
    await screen.type('q', /$/);
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 0 });
  });

  test("python's REPL evaluates, completes and is interrupted", async () => {
    const { execution, screen } = await inTerminal(['python3', '-q']);
    await screen.seen(/>>> $/);
    await screen.type('6 * 7\n', /42\r\n[^]*>>> $/);
    await screen.type('prin\t', /print/);
    await screen.type('"é€😀")\n', /é€😀\r\n[^]*>>> $/);
    await execution.write('while True: pass\n\n');
    await screen.seen(/pass[^]*\.\.\. \r?\n$/);
    await screen.type('\u0003', /KeyboardInterrupt[^]*>>> $/);
    await screen.type('exit(3)\n', /$/);
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 3 });
  });

  test('curses is initialised, sees a resize, reads keys', async () => {
    const program = [
      'import curses',
      'def main(screen):',
      '  screen.addstr(0, 0, f"size {screen.getmaxyx()}"); screen.refresh()',
      '  while (key := screen.getch()) != ord("q"):',
      '    curses.update_lines_cols(); name = curses.keyname(key).decode()',
      '    screen.addstr(1, 0, f"key {name} size {screen.getmaxyx()} "); screen.refresh()',
      'curses.wrapper(main)',
    ].join('\n');
    const { execution, screen } = await inTerminal(['python3', '-c', program]);
    await screen.seen(/size \(24, 80\)/);
    await screen.type('\u001bOA', /KEY_UP/);
    await execution.resize({ columns: 60, rows: 20 });
    await screen.seen(/RESIZE[^]*\(20, 60\)/);
    await screen.type('q', /$/);
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 0 });
  });

  test('a terminal within the terminal: script(1)', async () => {
    const { execution, screen } = await inTerminal(['script', '-qec', 'tty; stty size; exit 6', '/dev/null']);
    await screen.end();
    expect(screen.text).toMatch(/\/dev\/pts\/\d+\r\n24 80\r\n/);
    expect(await execution).toMatchObject({ exitCode: 6 });
  });
});

describe('the command line in a terminal of the host', () => {
  const onHost = async (args: readonly string[], steps: readonly TerminalStep[]): Promise<TerminalRun> =>
    inHostTerminal([process.execPath, '--import', 'tsx', join(PACKAGE_ROOT, 'daemon/main.ts'), ...args], steps, {
      cwd: PACKAGE_ROOT,
      env: { ...process.env, CLOISTER_URL: daemon.url, CLOISTER_TOKEN: await daemon.token('acme'), TERM: 'xterm' },
    });

  test('shell: keys, control characters, sizes and the exit code go through', async () => {
    const { screen, code } = await onHost(
      ['shell', 'pty'],
      [
        ['\\$ $', `${PROMPT}; stty size\n`],
        ['33 111\r\n.*%READY%', 'RESIZE'],
        ['', 'sleep 0.3; stty size\n'],
        ['20 90\r\n.*%READY%', 'sleep 1000\n'],
        ['sleep 1000\r\n', '\u0003'],
        ['\\^C.*%READY%', 'echo $? > interrupted; exit 5\n'],
      ],
    );
    expect(screen).toContain('exit');
    expect(code).toBe(5);
    expect(await sandbox.files.readText('interrupted')).toBe('130\n');
  });

  test('exec -t: a program that draws', async () => {
    const { screen, code } = await onHost(
      ['exec', '-t', 'pty', '--', 'less', 'numbers'],
      [
        ['32\r\n', 'G'],
        ['500', 'q'],
      ],
    );
    expect(screen).toContain('469\r\n');
    expect(code).toBe(0);
  });

  test("shell: end of the terminal's input ends the shell", async () => {
    expect((await onHost(['shell', 'pty'], [['\\$ $', '\u0004']])).code).toBe(0);
  });
});
