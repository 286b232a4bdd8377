// Walks a parsed shell text the way a shell would run it and reports every simple command to a sink: pipelines, lists,
// subshells, functions, loops, substitutions, here-documents. Runs nothing; bounded in steps, depth and characters.

import {
  type Command,
  type CommandExpansionPart,
  type CommandNode,
  type CompoundCommand,
  forEachChild,
  parse,
  type PipelineNode,
  type AndOr,
  type Redirection,
  type Script,
  type Statement,
  type SyntaxNode,
  type Word,
} from 'unbash';
import { Bounds } from './bounds.ts';
import { ForkBombs, isSpawningLoop } from '../floor/fork-bomb.ts';
import type { FloorFinding } from '../floor/finding.ts';
import { UNKNOWN } from './markers.ts';
import { outputOf, stdoutOf } from './output.ts';
import { assertReadable, TooComplex } from './readable.ts';
import { fork, type Scope, type Stdin } from './scope.ts';
import { stdinOf, targetsOf } from './redirects.ts';
import { expandText, expandWord, type WordContext } from './word.ts';

const MAX_WORDS = 16_384;
const MAX_DEPTH = 24;
/** Values of a loop's variable that are tried one by one. */
const MAX_TURNS = 16;

/** Gets every simple command with its words expanded. */
export interface CommandSink {
  command(words: readonly string[], scope: Scope): void;
  target(path: string, scope: Scope): void;
  finding(finding: FloorFinding): void;
}

export class Reader {
  readonly bounds: Bounds;
  readonly #sink: CommandSink;
  readonly #bombs = new ForkBombs();
  readonly #functions = new Map<string, CompoundCommand | SyntaxNode>();
  readonly #called = new Set<string>();
  readonly #active: string[] = [];
  #problem: string | null = null;

  constructor(sink: CommandSink, length: number) {
    this.#sink = sink;
    this.bounds = new Bounds(length);
  }

  /** Why the text could not be read; null: it could. */
  get problem(): string | null {
    return this.#problem;
  }

  /** A text that a shell is given, within what is read already or at its beginning. */
  text(text: string, scope: Scope): void {
    if (scope.depth >= MAX_DEPTH) throw new TooComplex('it is nested too deeply');
    this.bounds.spend(text.length);
    assertReadable(text);
    this.#script(parse(text), { ...scope, depth: scope.depth + 1 });
  }

  /** What is left once everything has been read: functions that nobody called. */
  finish(scope: Scope): void {
    for (const [name, body] of this.#functions) {
      if (!this.#called.has(name)) this.#node(body, fork(scope, { positional: null, isSure: false }));
    }
    const bomb = this.#bombs.found();
    if (bomb !== null) this.#sink.finding({ verdict: 'hit', class: 'forkBomb', what: `function ${bomb} starts itself without end` });
  }

  /** True: it was a function of the line, and has been read with these arguments. */
  call(words: readonly string[], scope: Scope): boolean {
    const [name = ''] = words;
    const body = this.#functions.get(name);
    if (body === undefined) return false;
    this.#called.add(name);
    if (this.#active.includes(name) || this.#active.length >= MAX_DEPTH) return true;
    this.#active.push(name);
    this.#node(body, { ...scope, positional: words });
    this.#active.pop();
    return true;
  }

  #context(scope: Scope): WordContext {
    return {
      variables: scope.variables,
      cwd: scope.cwd,
      positional: scope.positional,
      output: (part) => this.#outputOf(part, scope),
      bounds: this.bounds,
    };
  }

  #outputOf(part: CommandExpansionPart, scope: Scope): string | null {
    this.bounds.charge(part, part.text.length);
    const { script } = part;
    const only = script?.commands.length === 1 ? script.commands[0]?.command : undefined;
    if (only?.type !== 'Command' || scope.depth >= MAX_DEPTH) return null;
    const deeper = { ...scope, depth: scope.depth + 1 };
    const stdin = this.#stdinOf(only.redirects, deeper);
    return outputOf(this.#words(only, deeper), stdin.kind === 'text' ? stdin.text : null, scope.cwd);
  }

  #script(script: Script & { readonly errors?: readonly { readonly message: string }[] | undefined }, scope: Scope): void {
    if (script.errors !== undefined && script.errors.length > 0) this.#problem ??= script.errors[0]?.message ?? 'it is not well-formed';
    for (const statement of script.commands) this.#statement(statement, scope);
  }

  #statement({ command, background }: Statement, scope: Scope): void {
    this.#node(command, background === true ? fork(scope) : scope);
  }

  #list(commands: readonly Statement[], scope: Scope): void {
    for (const statement of commands) this.#statement(statement, scope);
  }

  #node(node: SyntaxNode | PipelineNode | AndOr, scope: Scope): void {
    this.bounds.step();
    switch (node.type) {
      case 'Command':
        return this.#command(node, scope);
      case 'AndOr':
        return this.#chain(node, scope);
      case 'Pipeline':
        return this.#pipeline(node.commands, scope);
      case 'Redirected':
        this.#targets(node.redirects, scope);
        return this.#node(node.command, { ...scope, stdin: this.#stdinOf(node.redirects, scope) });
      case 'Subshell':
        return this.#list(node.body.commands, fork(scope));
      case 'BraceGroup':
        return this.#within(scope, scope.isSure, (inner) => this.#list(node.body.commands, inner));
      case 'CompoundList':
        return this.#list(node.commands, scope);
      case 'Function':
        if (this.#functions.size < 256) this.#functions.set(node.name.value, node.body);
        this.#bombs.define(node);
        return;
      case 'Coproc':
        return this.#node(node.body, fork(scope, { stdin: { kind: 'unknown' } }));
      case 'If':
        return this.#within(scope, false, (inner) => {
          this.#list(node.clause.commands, inner);
          this.#list(node.then.commands, inner);
          for (const { clause, then } of node.elif) this.#list([...clause.commands, ...then.commands], inner);
          this.#list(node.else?.commands ?? [], inner);
        });
      case 'While':
        if (isSpawningLoop(node)) this.#sink.finding({ verdict: 'hit', class: 'forkBomb', what: 'an endless loop that starts commands' });
        return this.#within(scope, false, (inner) => this.#list([...node.clause.commands, ...node.body.commands], inner));
      case 'ArithmeticFor':
        if (isSpawningLoop(node)) this.#sink.finding({ verdict: 'hit', class: 'forkBomb', what: 'an endless loop that starts commands' });
        this.#substitutions(node, scope, ['CompoundList']);
        return this.#within(scope, false, (inner) => this.#list(node.body.commands, inner));
      case 'For':
      case 'Select':
        return this.#loop(node.name.value, node.wordlist, node.body.commands, scope);
      case 'Case':
        this.#substitutions(node.word, scope);
        return this.#within(scope, false, (inner) => {
          for (const { body } of node.items) this.#list(body.commands, inner);
        });
      default:
        this.#substitutions(node, scope);
    }
  }

  /** After `&&` the commands before have succeeded; after `||` one has failed. */
  #chain({ commands, operators }: AndOr, scope: Scope): void {
    let { cwd } = scope;
    commands.forEach((command, at) => {
      const inner = { ...scope, cwd, isSure: at === 0 && scope.isSure };
      this.#node(command, inner);
      cwd = inner.cwd === cwd || at === 0 || operators[at - 1] === '&&' ? inner.cwd : null;
    });
    scope.cwd = cwd;
  }

  /** What happens in a branch may not have happened. */
  #within(scope: Scope, isSure: boolean, read: (inner: Scope) => void): void {
    const inner = { ...scope, isSure };
    read(inner);
    scope.cwd = inner.cwd === scope.cwd || isSure ? inner.cwd : null;
  }

  #loop(name: string, wordlist: readonly Word[] | undefined, body: readonly Statement[], scope: Scope): void {
    for (const word of wordlist ?? []) this.#substitutions(word, scope);
    const context = this.#context(scope);
    const values = wordlist === undefined ? [UNKNOWN] : wordlist.flatMap((word) => expandWord(word, context));
    const turns = values.length > MAX_TURNS ? [UNKNOWN] : values;
    for (const value of turns) {
      const inner = fork(scope, { isSure: false });
      inner.variables.set(name, [value], true);
      this.#list(body, inner);
    }
    scope.variables.set(name, [turns.length === 1 ? (turns[0] ?? '') : UNKNOWN], scope.isSure);
  }

  #pipeline(commands: readonly CommandNode[], scope: Scope): void {
    let { stdin } = scope;
    for (const command of commands) {
      const inner = fork(scope, { stdin });
      this.#node(command, inner);
      stdin = commands.length === 1 ? stdin : this.#stdoutOf(command, inner);
    }
  }

  #stdoutOf(node: CommandNode, scope: Scope): Stdin {
    if (node.type !== 'Command') return { kind: 'unknown' };
    const words = this.#words(node, scope);
    const stdin = this.#stdinOf(node.redirects, scope);
    return stdoutOf(words, stdin, scope.cwd);
  }

  #command(node: Command, scope: Scope): void {
    if (node.suffix.length > MAX_WORDS) throw new TooComplex(`it has a command of more than ${MAX_WORDS} words`);
    for (const child of [...node.prefix, ...(node.name === undefined ? [] : [node.name]), ...node.suffix])
      this.#substitutions(child, scope);
    const words = this.#words(node, scope);
    const own = words.length > 0 && node.prefix.length > 0 ? fork(scope) : scope;
    const context = this.#context(scope);
    for (const entry of node.prefix) {
      if (entry.type !== 'Assignment') continue;
      const value =
        entry.value.type === 'Word'
          ? [expandText(entry.value, context)]
          : entry.value.elements.flatMap((word) => expandWord(word, context));
      if (entry.index !== undefined) own.variables.set(entry.name, [UNKNOWN], own.isSure);
      else if (entry.append === true) own.variables.append(entry.name, value.join(' '), own.isSure);
      else own.variables.set(entry.name, value, own.isSure);
    }
    this.#targets(node.redirects, scope);
    if (words.length === 0) return;
    const inner: Scope = { ...own, stdin: this.#stdinOf(node.redirects, scope) };
    this.#sink.command(words, inner);
    scope.cwd = inner.cwd;
  }

  #words(node: Command, scope: Scope): readonly string[] {
    const context = this.#context(scope);
    const words = node.name === undefined ? [] : [...expandWord(node.name, context)];
    for (const argument of node.args) {
      if (argument.type === 'Word') words.push(...expandWord(argument, context));
      else if (argument.value.type === 'Word') words.push(`${argument.name}=${expandText(argument.value, context)}`);
      else words.push(`${argument.name}=${UNKNOWN}`);
    }
    return words;
  }

  #targets(redirects: readonly Redirection[], scope: Scope): void {
    for (const path of targetsOf(redirects, this.#context(scope))) {
      this.bounds.follow(path.length + 48);
      this.#sink.target(path, scope);
    }
  }

  #stdinOf(redirects: readonly Redirection[], scope: Scope): Stdin {
    return redirects.length === 0 ? scope.stdin : stdinOf(redirects, scope.stdin, this.#context(scope));
  }

  /** Commands inside words: $(), backticks, <(), and those in arithmetic and tests. */
  #substitutions(node: SyntaxNode, scope: Scope, except: readonly string[] = []): void {
    if (node.type === 'Word' && node.parts === undefined) return;
    this.bounds.part();
    if (node.type === 'CommandExpansion' || node.type === 'ProcessSubstitution' || node.type === 'ArithmeticCommandExpansion') {
      this.bounds.charge(node, node.text.length);
      if (scope.depth >= MAX_DEPTH) throw new TooComplex('it is nested too deeply');
      if (node.script !== undefined) this.#script(node.script, fork(scope, { depth: scope.depth + 1, isSure: false }));
      return;
    }
    if (node.type === 'ParameterExpansion' || node.type === 'HereDocBody') this.bounds.charge(node, node.text.length);
    forEachChild(node, (child) => {
      if (!except.includes(child.type)) this.#substitutions(child, scope);
    });
  }
}
