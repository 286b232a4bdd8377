// Fork bombs by their shape: functions that call themselves in the background or in pipelines with nothing to stop them, and
// endless loops that only start things in the background. Syntax alone; runs nothing.

import { type Command, forEachChild, type Function as ShellFunction, type SyntaxNode, type While, type ArithmeticFor } from 'unbash';

const BUILTINS = /^(echo|printf|:|true|false|let|export|set|shift)$/;
const MAX_NODES = 5_000;

interface Profile {
  readonly calls: Set<string>;
  spawns: boolean;
  /** Something may end it. */
  isGuarded: boolean;
}

export class ForkBombs {
  readonly #functions = new Map<string, Profile>();

  define({ name, body }: ShellFunction): void {
    if (this.#functions.size < 256) this.#functions.set(name.text, profileOf(name.text, body));
  }

  /** The name of a function that multiplies without end; null: none does. */
  found(): string | null {
    for (const [name, { isGuarded }] of this.#functions) if (!isGuarded && this.#returnsTo(name)) return name;
    return null;
  }

  #returnsTo(start: string): boolean {
    const seen = new Set<string>();
    const left = [{ name: start, spawned: false }];
    while (left.length > 0) {
      const { name, spawned } = left.pop() as { name: string; spawned: boolean };
      const profile = this.#functions.get(name);
      if (profile === undefined || profile.isGuarded) continue;
      const spawns = spawned || profile.spawns;
      for (const call of profile.calls) {
        if (call === start && spawns) return true;
        if (!seen.has(`${call} ${spawns}`)) left.push({ name: call, spawned: spawns });
        seen.add(`${call} ${spawns}`);
      }
    }
    return false;
  }
}

function profileOf(name: string, body: SyntaxNode): Profile {
  const profile: Profile = { calls: new Set(), spawns: false, isGuarded: false };
  let nodes = 0;
  const visit = (node: SyntaxNode, isSpawned: boolean): void => {
    nodes += 1;
    if (nodes > MAX_NODES) return;
    if (node.type === 'Command' && node.name !== undefined) {
      const called = /FUNCNAME/.test(node.name.text) ? name : node.name.value;
      if (/^(return|exit|break|test|\[|wait|sleep|read)$/.test(called)) profile.isGuarded = true;
      profile.calls.add(called);
      profile.spawns ||= isSpawned;
      return;
    }
    if (
      node.type === 'If' ||
      node.type === 'Case' ||
      node.type === 'TestCommand' ||
      node.type === 'ArithmeticCommand' ||
      node.type === 'For'
    )
      profile.isGuarded = true;
    const spawned =
      isSpawned || (node.type === 'Statement' && node.background === true) || node.type === 'Pipeline' || node.type === 'Coproc';
    forEachChild(node, (child) => visit(child, spawned));
  };
  visit(body, false);
  return profile;
}

/** An endless loop whose body waits for nothing. */
export function isSpawningLoop(node: While | ArithmeticFor): boolean {
  const { commands } = node.body;
  if (!commands.some(({ background }) => background === true)) return false;
  const isEndless =
    node.type === 'ArithmeticFor'
      ? node.test === undefined
      : node.clause.commands.length === 1 && isTrue(node.clause.commands[0]?.command, node.kind);
  return (
    isEndless && commands.every(({ background, command }) => background === true || (command.type === 'Command' && isInstant(command)))
  );
}

const isInstant = ({ name }: Command): boolean => name === undefined || BUILTINS.test(name.value);

function isTrue(node: SyntaxNode | undefined, kind: 'while' | 'until'): boolean {
  if (node?.type === 'ArithmeticCommand') return kind === 'while' && /^\s*1\s*$/.test(node.body);
  if (node?.type !== 'Command') return false;
  return kind === 'until'
    ? node.name?.value === 'false'
    : /^(true|:)$/.test(node.name?.value ?? '') || (node.name?.value === '[' && node.args.length === 2);
}
