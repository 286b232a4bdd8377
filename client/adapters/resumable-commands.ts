// Commands that are gone on with: started, answered after a while with what there is, and taken up again by a number.
// What they say between two answers is kept in order. Knows no framework.

import type { ExecOptions } from '../exec-options.ts';
import { ModelOutput } from '../protocol/model-output.ts';
import type { Sandbox } from '../sandbox.ts';
import { told } from './answer.ts';
import { RunningCommand } from './running-command.ts';

const MAX_RUNNING = 64;
const INTERRUPT = '\u0003';

/** What there is of a command. */
export interface Progress {
  /** Both streams since the last answer; at the end with a line on why the command did not end by itself. */
  readonly text: string;
  readonly waitedMs: number;
  /** null: it still runs. */
  readonly exitCode: number | null;
  /** Takes it up again; null: it has ended. */
  readonly number: number | null;
}

interface Held {
  readonly command: RunningCommand;
  readonly isTerminal: boolean;
  /** Since the last answer. */
  readonly take: () => string;
}

export class ResumableCommands {
  readonly #sandbox: Sandbox;
  readonly #running = new Map<number, Held>();
  #lastNumber = 0;

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /** `waitMs` limits the wait, not the command: what still runs then goes on and has a number. */
  async start(command: string | readonly string[], options: ExecOptions, waitMs: number): Promise<Progress> {
    if (this.#running.size >= MAX_RUNNING) {
      throw new Error(`Cannot run the command: ${MAX_RUNNING} are running\nhint: Wait for some of them.`);
    }
    let kept = new ModelOutput();
    const keep = (text: string): void => kept.append(Buffer.from(text));
    const take = (): string => {
      const { text } = kept.read();
      kept = new ModelOutput();
      return text;
    };
    const running = new RunningCommand((heard) => this.#sandbox.exec(command, { ...options, ...heard }), {
      onStdout: keep,
      onStderr: keep,
    });
    return await this.#progress(null, { command: running, isTerminal: options.pty !== undefined, take }, waitMs);
  }

  /** `keys` go to the command's terminal; without one Ctrl-C is SIGINT, and other keys have nowhere to go. */
  async goOn(number: number, keys: string, waitMs: number): Promise<Progress | 'notRunning' | 'noTerminal'> {
    const held = this.#running.get(number);
    if (held === undefined) return 'notRunning';
    if (keys !== '') {
      if (held.isTerminal) await held.command.write(keys);
      else if (keys.includes(INTERRUPT)) await held.command.interrupt();
      else return 'noTerminal';
    }
    return await this.#progress(number, held, waitMs);
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    const left = [...this.#running.values()];
    this.#running.clear();
    await Promise.all(left.map(({ command }) => command.kill().catch(() => undefined)));
  }

  /** A command gets its number with the first answer that finds it running. */
  async #progress(known: number | null, held: Held, waitMs: number): Promise<Progress> {
    const startedAt = performance.now();
    const result = await told(() => held.command.resultWithin(waitMs)).catch((error: unknown) => {
      this.#forget(known);
      throw error;
    });
    const waitedMs = performance.now() - startedAt;
    const text = held.take();
    if (result === null) return { text, waitedMs, exitCode: null, number: this.#numbered(known, held) };
    this.#forget(known);
    return { text, waitedMs, exitCode: held.command.exitCode ?? null, number: null };
  }

  #forget(known: number | null): void {
    if (known !== null) this.#running.delete(known);
  }

  #numbered(known: number | null, held: Held): number {
    if (known === null) this.#lastNumber += 1;
    const number = known ?? this.#lastNumber;
    this.#running.set(number, held);
    return number;
  }
}
