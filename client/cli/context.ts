// What a verb gets from the program around it: the process as values, so that verbs touch no globals.

import type { Readable, Writable } from 'node:stream';
import type { Cloister, ConnectOptions } from '../client.ts';

/** A terminal, or something that stands in for one. */
export type CliOutput = Writable & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  /** False also where the user wants none. */
  hasColors?(): boolean;
};
export type CliInput = Readable & { readonly isTTY?: boolean; readonly fd?: number; setRawMode?(isRaw: boolean): unknown };

export interface CliContext {
  /** Connects with the global --url and --token. */
  connect(more?: Pick<ConnectOptions, 'onConfirm'>): Promise<Cloister>;
  readonly out: CliOutput;
  readonly err: CliOutput;
  readonly stdin: CliInput;
  /** The global --json; read when a verb acts. */
  readonly json: boolean;
  /** Calls back when the user wants to stop (SIGINT, SIGTERM) instead of dying of it; the result takes the listener off. */
  onSignal(listener: () => void): () => void;
  /** States the exit code; the process ends when nothing is left to do. */
  exit(code: number): void;
}
