// A program of the host in a real terminal, which Python makes: typed to and watched, as a person would.

import { spawn } from 'node:child_process';

export interface TerminalRun {
  /** Everything that appeared. */
  readonly screen: string;
  readonly code: number | null;
}

/** For each step: once its pattern has appeared since the last one, its keys are typed; `RESIZE` makes it 90 by 20. */
export type TerminalStep = readonly [pattern: string, keys: string];

const DRIVER = [
  'import fcntl, json, os, pty, re, select, struct, sys, termios, time',
  'steps = json.loads(sys.argv[1]); argv = sys.argv[2:]',
  'pid, fd = pty.fork()',
  'if pid == 0: os.execvp(argv[0], argv)',
  'def size(rows, columns): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))',
  'size(33, 111)',
  'screen = b""; mark = 0; limit = time.monotonic() + 50',
  'while time.monotonic() < limit:',
  '  if select.select([fd], [], [], 0.1)[0]:',
  '    try: part = os.read(fd, 65536)',
  '    except OSError: break',
  '    if not part: break',
  '    screen += part',
  '  if steps and re.search(steps[0][0].encode(), screen[mark:], re.S):',
  '    _, keys = steps.pop(0); mark = len(screen)',
  '    if keys == "RESIZE": size(20, 90)',
  '    else: os.write(fd, keys.encode())',
  'else: os.kill(pid, 9)',
  'status = os.waitpid(pid, 0)[1]',
  'sys.stdout.buffer.write(screen); sys.exit(os.waitstatus_to_exitcode(status) & 255)',
].join('\n');

export async function inHostTerminal(
  command: readonly string[],
  steps: readonly TerminalStep[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<TerminalRun> {
  const child = spawn('python3', ['-c', DRIVER, JSON.stringify(steps), ...command], { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  let screen = '';
  for await (const part of child.stdout.setEncoding('utf8')) screen += part as string;
  return { screen, code: child.exitCode ?? (await new Promise<number | null>((resolve) => child.on('exit', resolve))) };
}
