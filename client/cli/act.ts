// Runs a verb's work: connects, reports a failure on stderr, states the exit code.

import type { Cloister } from '../client.ts';
import { ClientError, SandboxError } from '../errors.ts';
import type { CliContext } from './context.ts';
import { escapeText } from './escape-text.ts';

/** `work` returns the exit code; whatever it throws is reported and becomes `failureCode`. */
export async function act(context: CliContext, failureCode: number, work: (cloister: Cloister) => Promise<number>): Promise<void> {
  try {
    const cloister = await context.connect();
    try {
      context.exit(await work(cloister));
    } finally {
      await cloister.close();
    }
  } catch (error) {
    reportError(context, error);
    context.exit(failureCode);
  }
}

/** `cloister: CODE: message` and a line with what to do. */
export function reportError(context: Pick<CliContext, 'err'>, error: unknown): void {
  const isOurs = error instanceof SandboxError || error instanceof ClientError;
  const code = isOurs ? error.code : 'INTERNAL';
  const message = error instanceof Error ? error.message : String(error);
  context.err.write(`cloister: ${code}: ${escapeText(message)}\n`);
  if (isOurs) context.err.write(`hint: ${escapeText(error.hint)}\n`);
}

export function printJson(context: Pick<CliContext, 'out'>, value: unknown): void {
  context.out.write(`${JSON.stringify(value)}\n`);
}
