// What is found in a command line: its simple commands and what keeps it from being known before it runs.

import type { FloorFinding } from '../floor/finding.ts';

export interface SimpleCommand {
  /** Program and arguments after quoting, expansion and substitution, markers where only the run decides. */
  readonly words: readonly string[];
  /** For people and rules: words with blanks in quotes. */
  readonly text: string;
  /** Last component of the program's path. */
  readonly program: string;
  /** The program was written as a bare name, or with the path of a system directory. */
  readonly isNamed: boolean;
  /** null: the line changes its directory to one that is not known. */
  readonly cwd: string | null;
  /** Parts of it are computed when it runs. */
  readonly isComputed: boolean;
  /** The line changes how programs are found or loaded. */
  readonly isTampered: boolean;
  /** It only runs another command of this list. */
  readonly isTransparent: boolean;
  /** A shell that the client feeds: no rule sees what. */
  readonly isFed: boolean;
}

export interface Line {
  readonly commands: readonly SimpleCommand[];
  readonly findings: readonly FloorFinding[];
  /** Why it could not be read to its end; null: it could. */
  readonly unparseable: string | null;
}
