// Runs one command for `run` and `exec`: stdin in, output out as it comes, exit code at the end.

import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { ExecOptions, Stdin } from '../exec-options.ts';
import type { Sandbox } from '../sandbox.ts';
import { printJson } from './act.ts';
import type { CliContext } from './context.ts';
import { exitCodeOf, explainEnding } from './exit-code.ts';

/** With --json the result is the output; else the command's bytes go through as they are. */
export async function streamCommand(
  context: CliContext,
  sandbox: Sandbox,
  command: readonly string[],
  options: ExecOptions,
): Promise<number> {
  // A terminal stays with its shell: only what was piped in belongs to the command.
  const hasTerminal = context.stdin.isTTY === true;
  const stdin: Stdin | undefined = hasTerminal ? undefined : (context.stdin as AsyncIterable<Uint8Array>);
  const interrupted = new AbortController();
  const stopListening = context.onSignal(() => interrupted.abort());
  const execution = sandbox.exec(command, { ...options, stdin, signal: interrupted.signal });
  try {
    if (!context.json) {
      for await (const { stream, bytes } of execution) await writeAll(stream === 'stdout' ? context.out : context.err, bytes);
    }
    const result = await execution;
    if (context.json) printJson(context, result);
    else context.err.write(explainEnding(result) ?? '');
    return exitCodeOf(result);
  } finally {
    stopListening();
    // A pipe that nobody ends would keep the process.
    if (!hasTerminal) context.stdin.destroy();
  }
}

/** Waits while the reader is slower than the command. */
export async function writeAll(target: Writable, bytes: Uint8Array): Promise<void> {
  if (bytes.byteLength > 0 && !target.write(bytes)) await once(target, 'drain');
}
