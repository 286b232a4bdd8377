// What an agent framework is told of a command's end and of a failed call. Knows no framework.

import { exitCodeOf, explainEnding } from '../cli/exit-code.ts';
import type { ExecOptions } from '../exec-options.ts';
import type { ExecResult } from '../protocol/index.ts';
import { ModelOutput } from '../protocol/model-output.ts';
import { ClientError, SandboxError } from '../errors.ts';

/** Milliseconds a command of a model may take unless the adapter is told otherwise. */
export const DEFAULT_TIMEOUT_MS = 120_000;
const MAX_DENIALS = 5;

/** What an adapter asks of the commands it runs. */
export interface CommandOptions {
  /** Directory of commands that name none; the workspace unless given. */
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds of wall time unless a call names its own; default 120,000. */
  readonly timeoutMs?: number | undefined;
  /** Names of the session's secrets that commands have in their environment. */
  readonly secrets?: readonly string[] | undefined;
}

/** What a framework gives to hear a command with. */
export interface Hearers {
  readonly onStdout?: ((text: string) => void) | undefined;
  readonly onStderr?: ((text: string) => void) | undefined;
}

export interface Answer {
  readonly stdout: string;
  /** With a line on why the command did not end by itself, and on the network access it was denied. */
  readonly stderr: string;
  /** As a shell says it: 124 timed out, 126 denied, 137 out of memory, 130 killed, 125 lost, 128 + n signalled. */
  readonly exitCode: number;
  /** Not all of the output is in here. */
  readonly truncated: boolean;
}

export function commandOptions({ cwd, env, timeoutMs, secrets }: CommandOptions): ExecOptions {
  return { cwd, env, secrets, timeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS };
}

export function answerOf(result: ExecResult): Answer {
  const { stdout, droppedBytes } = result;
  return {
    stdout,
    stderr: appended(result.stderr, remarkOf(result)),
    exitCode: exitCodeOf(result),
    truncated: droppedBytes.stdout + droppedBytes.stderr > 0,
  };
}

type Heard = Pick<ExecOptions, 'onStdout' | 'onStderr'>;

/** Callbacks that get the text alone, whatever else they would take. */
export function heardBy({ onStdout, onStderr }: Hearers): Heard {
  return {
    ...(onStdout === undefined ? {} : { onStdout: (text: string) => onStdout(text) }),
    ...(onStderr === undefined ? {} : { onStderr: (text: string) => onStderr(text) }),
  };
}

/** Why the command did not end by itself, and what it was denied; empty when there is nothing to say. */
export function remarkOf(result: ExecResult): string {
  const denials = result.egress
    .filter(({ verdict }) => verdict === 'deny')
    .slice(0, MAX_DENIALS)
    .map(({ host, port, reason, remedy }) => `cloister: network access to ${host}:${port} was denied: ${reason}${hinted(remedy)}\n`);
  return `${explainEnding(result) ?? ''}${[...new Set(denials)].join('')}`;
}

/** The same failure with its hint in the message, which is all that frameworks show to a model. */
export function forModel(error: unknown): Error {
  if (error instanceof SandboxError || error instanceof ClientError) {
    return new Error(`${error.message}${hinted(error.hint)}`, { cause: error });
  }
  return error instanceof Error ? error : new Error(String(error));
}

/** What `task` answers; a failure speaks to a model. */
export async function told<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw forModel(error);
  }
}

/** Head and tail of a text, at most `characters` of it. */
export function shortened(text: string, characters: number | undefined): string {
  if (characters === undefined || text.length <= characters) return text;
  const kept = new ModelOutput({ characters });
  kept.append(Buffer.from(text));
  return kept.read().text;
}

function hinted(hint: string | undefined): string {
  return hint === undefined || hint === '' ? '' : `\nhint: ${hint}`;
}

/** `remark` on lines of its own. */
function appended(text: string, remark: string): string {
  return remark === '' || text === '' || text.endsWith('\n') ? text + remark : `${text}\n${remark}`;
}
