// A command that goes on while its agent does something else: heard as it speaks, typed into, waited for, ended.
// Knows no framework.

import type { ExecOptions } from '../exec-options.ts';
import type { Execution } from '../execution.ts';
import type { ExecResult } from '../protocol/index.ts';
import { answerOf, heardBy, remarkOf, type Hearers, told } from './answer.ts';

type Hearing = { readonly [Stream in keyof Hearers]-?: NonNullable<Hearers[Stream]> };

export class RunningCommand {
  readonly id: string;
  /** Settles when all has been heard, why it did not end by itself included. */
  readonly ended: Promise<ExecResult>;
  readonly #execution: Execution;
  #exitCode: number | undefined;

  constructor(start: (heard: Pick<ExecOptions, 'onStdout' | 'onStderr'>) => Execution, hearers: Hearing) {
    this.#execution = start(heardBy(hearers));
    this.id = this.#execution.id;
    this.ended = told(() => this.#end(hearers));
    // Who waits hears of a failure; nobody has to.
    this.ended.catch(() => undefined);
  }

  /** As answerOf says it; undefined: it still runs. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** null: it still runs. */
  async resultWithin(waitMs: number): Promise<ExecResult | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, waitMs, null)));
    try {
      return await Promise.race([this.ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async write(text: string): Promise<void> {
    await told(() => this.#execution.write(text));
  }

  async closeStdin(): Promise<void> {
    await told(async () => this.#execution.closeStdin());
  }

  async interrupt(): Promise<void> {
    await told(() => this.#execution.kill('SIGINT'));
  }

  /** Ends all of it and waits until it has ended; false: it had. */
  async kill(): Promise<boolean> {
    if (this.#exitCode !== undefined) return false;
    await told(() => this.#execution.kill());
    await this.ended.catch(() => undefined);
    return true;
  }

  async #end(hearers: Hearing): Promise<ExecResult> {
    const result = await this.#execution.result;
    const remark = remarkOf(result);
    if (remark !== '') hearers.onStderr(remark);
    this.#exitCode = answerOf(result).exitCode;
    return result;
  }
}
