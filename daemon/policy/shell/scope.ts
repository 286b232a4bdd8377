// Where a command stands while a line is read: its variables, directory, arguments and standard input.

import type { Variables } from './variables.ts';

export type Stdin =
  | { readonly kind: 'none' }
  /** The client's pipe or terminal. */
  | { readonly kind: 'client' }
  | { readonly kind: 'unknown' }
  /** A file of the sandbox. */
  | { readonly kind: 'file' }
  | { readonly kind: 'text'; readonly text: string }
  /** Lines of which only this is known. */
  | { readonly kind: 'items'; readonly items: readonly string[] };

export interface Scope {
  readonly variables: Variables;
  cwd: string | null;
  readonly positional: readonly string[] | null;
  readonly stdin: Stdin;
  /** It is certain to be executed, in this order. */
  readonly isSure: boolean;
  /** Texts within texts. */
  readonly depth: number;
}

/** A subshell: what it changes stays in it. */
export const fork = (scope: Scope, changes: Partial<Scope> = {}): Scope => ({ ...scope, variables: scope.variables.fork(), ...changes });
