// The process as values, for the verbs: what main.ts knows and nobody else asks for.

import type { Log } from '../observe/log.ts';

export interface CliProcess {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Where the package lies: images/, seccomp/, package.json. */
  readonly packageRoot: string;
  /** Of the host, as Node spells them. */
  readonly platform: string;
  readonly arch: string;
  readonly isRoot: boolean;
  readonly stdin: NodeJS.ReadStream;
  readonly out: NodeJS.WriteStream;
  readonly err: NodeJS.WriteStream;
  createLog(level: string): Log;
  /** Calls back for SIGTERM and SIGINT; the result takes the listener off. */
  onSignal(listener: (signal: NodeJS.Signals) => void): () => void;
  /** Calls back for SIGHUP; the result takes the listener off. */
  onHangup(listener: () => void): () => void;
}
