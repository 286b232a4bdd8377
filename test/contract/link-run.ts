// One command on a link, with what it said: shared by the parts of the link contract.

import type { ExitReport, OutputStream, StartCommand } from '../../daemon/link/messages.ts';
import type { SandboxLink } from '../../daemon/link/sandbox-link.ts';

export interface LinkHarness extends AsyncDisposable {
  /** Up. */
  readonly link: SandboxLink;
  /** Ends the connection; init comes back by itself. */
  cut(): void;
  /** False if the sandbox's loopback is not this host's. */
  readonly sharesLoopback: boolean;
}

export interface Run {
  readonly number: number;
  readonly exit: Promise<ExitReport>;
  readonly pid: Promise<number>;
  text(stream: OutputStream): string;
  readonly bytes: () => number;
}

export const COMMAND = {
  env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
  cwd: '/workspace',
  stdin: 'none',
  wallMs: 0,
  idleMs: 0,
  graceMs: 200,
} as const;

/** Starts a command and keeps what it says; gives credit for all of it, unless told to hold it back. */
export function run(
  link: SandboxLink,
  number: number,
  argv: readonly string[],
  options: Partial<StartCommand> & { holdCredit?: boolean; onOutput?: (bytes: number) => void } = {},
): Run {
  const { holdCredit, onOutput, ...command } = options;
  const output: Record<OutputStream, Buffer[]> = { stdout: [], stderr: [] };
  let bytesSeen = 0;
  let tellPid: (pid: number) => void = () => undefined;
  const pid = new Promise<number>((resolve) => {
    tellPid = resolve;
  });
  const exit = new Promise<ExitReport>((resolve, reject) => {
    link.start(
      number,
      { ...COMMAND, argv, ...command },
      {
        started: (value) => tellPid(value),
        output: (offset, stream, bytes) => {
          output[stream].push(Buffer.from(bytes));
          bytesSeen = offset + bytes.length;
          if (holdCredit !== true) link.credit(number, bytesSeen);
          onOutput?.(bytesSeen);
        },
        exited: (report) => {
          link.exitAck(number);
          resolve(report);
        },
        stdinTaken: () => undefined,
        gone: () => undefined,
        resumed: () => 0,
        unknown: () => reject(new Error('init does not know it')),
        lost: (reason) => reject(new Error(reason)),
      },
    );
  });
  exit.catch(() => undefined);
  return { number, exit, pid, text: (stream) => Buffer.concat(output[stream]).toString(), bytes: () => bytesSeen };
}
