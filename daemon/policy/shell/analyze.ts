// A command as the client wrote it -> every simple command in it and what the floor says. Pure and total: what can't be read
// says so. Time is linear in the length.

import type { Command } from '../../../client/protocol/exec.ts';
import { CommandReader } from './command-reader.ts';
import type { Line } from './line.ts';
import { withoutMarkers } from './markers.ts';
import { TooComplex } from './readable.ts';
import type { Scope } from './scope.ts';
import { Variables } from './variables.ts';

export interface LineContext {
  /** As the sandbox sees it. */
  readonly cwd: string;
  /** The client writes to the command: a pipe, or a terminal. */
  readonly isFed: boolean;
  /** Names that the request's environment or the session's sets. */
  readonly envNames: readonly string[];
}

const KNOWN_NAMES: ReadonlySet<string> = new Set(['HOME', 'TMPDIR', 'USER', 'LOGNAME', 'PWD', 'PATH']);

/** Of an environment's names those that a line's meaning hangs on. */
export const namesThatMatter = (names: readonly string[]): readonly string[] => names.filter((name) => KNOWN_NAMES.has(name));

export function analyze(command: Command, context: LineContext): Line {
  const text = typeof command === 'string' ? command : null;
  const length = text?.length ?? (command as readonly string[]).reduce((sum, word) => sum + word.length, 0);
  const found = new CommandReader(length);
  const overridden = new Set(namesThatMatter(context.envNames));
  const variables = new Variables(overridden);
  variables.isTampered = overridden.has('PATH');
  const scope: Scope = {
    variables,
    cwd: context.cwd,
    positional: [],
    stdin: { kind: context.isFed ? 'client' : 'none' },
    isSure: true,
    depth: 0,
  };
  let problem: string | null = null;
  try {
    if (text !== null) found.reader.text(text, scope);
    else found.command((command as readonly string[]).map(withoutMarkers), scope);
    found.reader.finish(scope);
  } catch (error) {
    // A parser that runs out of stack has met a text that no person wrote.
    if (!(error instanceof TooComplex) && !(error instanceof RangeError)) throw error;
    problem = error instanceof TooComplex ? error.message : 'it is nested too deeply';
  }
  return { commands: found.commands, findings: found.findings, unparseable: problem ?? found.reader.problem };
}
