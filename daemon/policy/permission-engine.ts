// Decides with what was read before: lines and compiled rules are remembered, bounded in number and in characters.

import type { Command } from '../../client/protocol/exec.ts';
import { type CompiledPermissions, compilePermissions, type Decision, decide, decideLine } from './decide.ts';
import type { GrantedPermissions } from './permission-policy.ts';
import { analyze, type LineContext } from './shell/analyze.ts';
import type { Line } from './shell/line.ts';
import type { PermissionRequest } from './tools.ts';

const MAX_LINES = 1000;
const MAX_CHARACTERS = 2 * 1024 * 1024;
/** Longer ones are seldom said twice. */
const MAX_REMEMBERED = 16 * 1024;

export class PermissionEngine {
  readonly #compiled = new WeakMap<GrantedPermissions, CompiledPermissions>();
  /** In the order of their last use. */
  readonly #lines = new Map<string, Line>();
  #characters = 0;

  decide(request: PermissionRequest, granted: GrantedPermissions): Decision {
    return decide(request, this.#compile(granted));
  }

  decideCommand(command: Command, context: LineContext, granted: GrantedPermissions): Decision {
    return decideLine(this.line(command, context), this.#compile(granted));
  }

  /** What is found in a command. */
  line(command: Command, context: LineContext): Line {
    const text = typeof command === 'string' ? command : JSON.stringify(command);
    if (text.length > MAX_REMEMBERED) return analyze(command, context);
    const key = `${typeof command === 'string' ? 's' : 'a'}${context.isFed ? 1 : 0}${context.envNames.join(',')}\0${context.cwd}\0${text}`;
    const known = this.#lines.get(key);
    if (known !== undefined) {
      this.#lines.delete(key);
      this.#lines.set(key, known);
      return known;
    }
    const line = analyze(command, context);
    this.#lines.set(key, line);
    this.#characters += key.length;
    for (const oldest of this.#lines.keys()) {
      if (this.#lines.size <= MAX_LINES && this.#characters <= MAX_CHARACTERS) break;
      this.#lines.delete(oldest);
      this.#characters -= oldest.length;
    }
    return line;
  }

  #compile(granted: GrantedPermissions): CompiledPermissions {
    const known = this.#compiled.get(granted);
    if (known !== undefined) return known;
    const compiled = compilePermissions(granted);
    this.#compiled.set(granted, compiled);
    return compiled;
  }
}
