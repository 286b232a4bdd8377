// Connects the user's terminal to a command's: keys in, screen out, size kept the same.

import { spawnSync } from 'node:child_process';
import type { Execution } from '../execution.ts';
import type { PtySize } from '../protocol/index.ts';
import type { Sandbox } from '../sandbox.ts';
import type { CliContext } from './context.ts';
import { exitCodeOf, explainEnding } from './exit-code.ts';
import { writeAll } from './stream-command.ts';

export async function runInTerminal(context: CliContext, sandbox: Sandbox, command: string | readonly string[]): Promise<number> {
  const { out, stdin } = context;
  const interrupted = new AbortController();
  const stopListening = context.onSignal(() => interrupted.abort());
  const execution = sandbox.exec(command, { pty: sizeOf(context), signal: interrupted.signal });
  const resize = (): void => void execution.resize(sizeOf(context)).catch(() => undefined);
  const stopKeys = passKeys(context, execution);
  out.on('resize', resize);
  try {
    for await (const { bytes } of execution) await writeAll(out, bytes);
    const result = await execution;
    context.err.write(explainEnding(result) ?? '');
    return exitCodeOf(result);
  } finally {
    out.off('resize', resize);
    stopKeys();
    stopListening();
    if (stdin.isTTY === true) stdin.pause();
    else stdin.destroy();
  }
}

/** Every key goes through, Ctrl-C too: it is for the command. */
function passKeys({ stdin, out }: CliContext, execution: Execution): () => void {
  const onData = (bytes: Uint8Array): void => {
    stdin.pause();
    execution.write(bytes).then(
      () => stdin.resume(),
      () => undefined,
    );
  };
  const onEnd = (): void => {
    // A closed handle has nothing to be told.
    execution.write('\u0004').catch(() => undefined);
  };
  if (stdin.isTTY === true) {
    stdin.setRawMode?.(true);
    // Node's raw mode turns LF into CR LF still, which moves the cursor where a program that draws does not want it. It
    // undoes this together with its own changes; without stty, drawing is a little off.
    if (out.isTTY === true && stdin.fd !== undefined) spawnSync('stty', ['-opost'], { stdio: [stdin.fd, 'ignore', 'ignore'] });
  }
  stdin.on('data', onData);
  stdin.on('end', onEnd);
  return () => {
    stdin.off('data', onData);
    stdin.off('end', onEnd);
    if (stdin.isTTY === true) stdin.setRawMode?.(false);
  };
}

function sizeOf({ out }: CliContext): PtySize {
  const within = (size: number | undefined, otherwise: number): number =>
    size === undefined || size < 1 ? otherwise : Math.min(size, 1000);
  return { columns: within(out.columns, 80), rows: within(out.rows, 24) };
}
