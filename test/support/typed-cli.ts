// A command line as an operator on the daemon's host types it, in this process.

import { PassThrough } from 'node:stream';
import { runCli } from '../../daemon/cli/program.ts';
import { cliProcess } from './cli-process.ts';

export interface Typed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Typing {
  /** So far. */
  readonly said: { out: string; err: string };
  readonly ended: Promise<Typed>;
  /** Ctrl-C. */
  interrupt(): void;
}

export function typeCli(stateDir: string, args: readonly string[]): Typing {
  const streams = { out: new PassThrough(), err: new PassThrough() };
  const said = { out: '', err: '' };
  for (const name of ['out', 'err'] as const) streams[name].on('data', (part: Buffer) => (said[name] += part.toString()));
  const signals = new Set<(signal: NodeJS.Signals) => void>();
  const cli = {
    ...cliProcess(streams),
    env: { CLOISTER_STATE_DIR: stateDir },
    onSignal: (listener: (signal: NodeJS.Signals) => void) => {
      signals.add(listener);
      return () => void signals.delete(listener);
    },
  };
  const ended = runCli(args, cli).then((code) => ({ code, ...said }));
  return { ended, said, interrupt: () => [...signals].forEach((listener) => listener('SIGINT')) };
}
