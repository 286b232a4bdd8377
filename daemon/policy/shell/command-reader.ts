// One simple command of a line: judged by the floor, recorded, and unwrapped to what it runs in its turn.

import { type FloorFinding } from '../floor/finding.ts';
import { floorOf, floorOfTarget, floorOfUnknown, nameOf } from '../floor/floor.ts';
import { deletionOf, searchOf } from '../floor/deletion.ts';
import { isProtected } from '../floor/protected-paths.ts';
import { applyBuiltin } from './builtins.ts';
import type { SimpleCommand } from './line.ts';
import { ANY, BREAK, hasGlob, isComputed, PIPE_PATH, STAR, UNKNOWN } from './markers.ts';
import { itemsIn } from './output.ts';
import { TooComplex } from './readable.ts';
import { type CommandSink, Reader } from './reader.ts';
import { fork, type Scope } from './scope.ts';
import { isPassed, isShell, isStdin, shellInput } from './shells.ts';
import { simpleCommand } from './simple-command.ts';
import { isTrusted } from './variables.ts';
import { foundBy, unwrap, withItems } from './wrappers.ts';

const MAX_COMMANDS = 1000;
/** Words looked at in all, wrapped ones each time. */
const MAX_WORDS = 60_000;
const MAX_FINDINGS = 64;
/** Stands in a text for what is computed; no assignment can name it. */
const PLACEHOLDER = '${__computed}';

export class CommandReader implements CommandSink {
  readonly commands: SimpleCommand[] = [];
  readonly findings: FloorFinding[] = [];
  readonly reader: Reader;
  #words = 0;

  constructor(length: number) {
    this.reader = new Reader(this, length);
  }

  finding(finding: FloorFinding): void {
    if (this.findings.length < MAX_FINDINGS || finding.verdict === 'hit') this.findings.push(finding);
  }

  target(path: string, scope: Scope): void {
    const finding = floorOfTarget(path, scope.cwd);
    if (finding !== null) this.finding(finding);
  }

  command(words: readonly string[], scope: Scope): void {
    const [first = ''] = words;
    this.#words += words.length;
    if (this.#words > MAX_WORDS) throw new TooComplex('it has too many words');
    for (const { length } of words) this.reader.bounds.follow(length);
    if (isComputed(first) || hasGlob(nameOf(first))) return this.#unknown(words, scope);
    if (this.reader.call(words, scope)) return;
    const program = nameOf(first);
    const wrapped = unwrap(program, words);
    const input = isShell(program) ? shellInput(words) : null;
    const isFed = input?.kind === 'stdin' && scope.stdin.kind === 'client';
    const isTransparent = (wrapped?.isTransparent === true && wrapped.argv.length > 0) || input?.kind === 'text' || program === 'eval';
    this.#add(words, scope, isTransparent, isFed);
    const finding = floorOf(words, scope.cwd);
    if (finding !== null) this.finding(finding);
    if (input !== null) this.#shell(input, scope);
    else if (wrapped !== null) this.#wrapped(program, wrapped, scope);
    else this.#special(program, words, scope);
  }

  #add(words: readonly string[], scope: Scope, isTransparent: boolean, isFed = false): void {
    if (this.commands.length >= MAX_COMMANDS) throw new TooComplex(`it has more than ${MAX_COMMANDS} commands`);
    this.commands.push(simpleCommand(words, { cwd: scope.cwd, isTampered: scope.variables.isTampered, isTransparent, isFed }));
  }

  /** The program is computed. An inherited name with arguments, as in `"$CC" -o a a.c`, is judged by these. */
  #unknown(words: readonly string[], scope: Scope): void {
    this.#add(words, scope, false);
    const finding = floorOfUnknown(words, scope.cwd);
    if (finding !== null) this.finding(finding);
  }

  #opaque(what: string, scope: Scope): void {
    this.#add([UNKNOWN], scope, false);
    this.finding({ verdict: 'unclear', class: 'computed', what });
  }

  #text(text: string, scope: Scope): void {
    if (isComputed(text)) this.#opaque('a shell is given a text that is computed when it runs', scope);
    this.reader.text(
      text
        .replaceAll(UNKNOWN, PLACEHOLDER)
        .replaceAll(PIPE_PATH, PLACEHOLDER)
        .replaceAll(STAR, '*')
        .replaceAll(ANY, '?')
        .replaceAll(BREAK, ' '),
      scope,
    );
  }

  #shell(input: ReturnType<typeof shellInput>, scope: Scope): void {
    if (input.kind === 'text') this.#text(input.text, fork(scope, { positional: input.positional, isSure: true }));
    else if (input.kind === 'file' && input.path === PIPE_PATH) this.#opaque('a shell is given the output of a command', scope);
    else if (input.kind === 'stdin') {
      if (scope.stdin.kind === 'text') this.#text(scope.stdin.text, fork(scope, { stdin: { kind: 'unknown' }, isSure: true }));
      else if (scope.stdin.kind === 'unknown' || scope.stdin.kind === 'items')
        this.#opaque('a shell is given the output of a command', scope);
    }
  }

  #wrapped(program: string, { argv, assigned, options }: NonNullable<ReturnType<typeof unwrap>>, scope: Scope): void {
    const inner = fork(scope);
    for (const assignment of assigned) {
      const at = assignment.indexOf('=');
      inner.variables.set(assignment.slice(0, at), [assignment.slice(at + 1)], true);
    }
    for (const name of ['library-path', 'preload']) if (options.has(name)) inner.variables.isTampered = true;
    const split = program === 'env' ? (options.get('S') ?? options.get('split-string')) : undefined;
    if (split !== undefined) return this.#text([split, ...argv].join(' '), inner);
    const directory = program === 'env' ? (options.get('C') ?? options.get('chdir')) : undefined;
    if (directory !== undefined) applyBuiltin(['cd', directory], inner, () => null);
    const text = program === 'flock' || program === 'runuser' ? (options.get('c') ?? options.get('command')) : undefined;
    if (text !== undefined) return this.#text(text, inner);
    if (argv.length === 0) return;
    if (program === 'watch') return this.#text(argv.join(' '), inner);
    if (program === 'command' && (options.has('v') || options.has('V'))) return;
    if (program === 'xargs' || program === 'parallel') {
      const items = argv.includes(':::') ? argv.slice(argv.indexOf(':::') + 1) : options.has('a') ? null : this.#items(scope);
      const bare = argv.includes(':::') ? argv.slice(0, argv.indexOf(':::')) : argv;
      const replacing = program === 'parallel' && !options.has('I') ? new Map([...options, ['I', '{}']]) : options;
      const isReplaced = program !== 'parallel' || bare.some((word) => word.includes('{}'));
      const command = withItems(bare, isReplaced ? replacing : new Map(), items);
      if (program === 'parallel') return this.#text(command.join(' '), inner);
      return this.command(command, fork(inner, { stdin: { kind: 'none' } }));
    }
    this.command(argv, inner);
  }

  #items({ stdin }: Scope): readonly string[] | null {
    if (stdin.kind === 'text') this.reader.bounds.follow(stdin.text.length * 2);
    return itemsIn(stdin);
  }

  #special(program: string, words: readonly string[], scope: Scope): void {
    const args = words.slice(1);
    switch (program) {
      case 'eval':
        return args.length === 0 ? undefined : this.#text(args.join(' '), scope);
      case 'trap':
        return args.length > 1 && args[0]?.startsWith('-') === false ? this.#text(args[0] ?? '', fork(scope)) : undefined;
      case 'alias':
        for (const arg of args) if (arg.includes('=')) this.#text(arg.slice(arg.indexOf('=') + 1), fork(scope));
        return;
      case '.':
      case 'source':
        if (isStdin(args[0] ?? '')) return this.#shell({ kind: 'stdin' }, scope);
        return isPassed(args[0] ?? '') ? this.#opaque('the output of a command is run', scope) : undefined;
      case 'find':
      case 'gfind':
        return this.#find(words, scope);
      case 'su':
      case 'sg':
      case 'script': {
        const at = args.findIndex((arg) => /^-\w*c$|^--command$/.test(arg));
        const glued = args.find((arg) => arg.startsWith('--command='));
        const text = glued?.slice('--command='.length) ?? (at === -1 ? undefined : args[at + 1]);
        return text === undefined ? undefined : this.#text(text, fork(scope));
      }
      case 'ssh': {
        const host = args.findIndex((arg, at) => !arg.startsWith('-') && !/^-[bcDEeFIiJLlmOopQRSWw]$/.test(args[at - 1] ?? ''));
        const remote = host === -1 ? '' : args.slice(host + 1).join(' ');
        return remote === '' ? undefined : this.#text(remote, fork(scope, { cwd: null, stdin: { kind: 'none' } }));
      }
      default:
        if (
          args.some((arg) => isTrusted(arg.split('=', 1)[0] ?? '')) &&
          /^(export|declare|typeset|local|readonly|read|unset)$/.test(program)
        )
          scope.variables.isTampered = true;
        applyBuiltin(words, scope, () => this.#items(scope));
    }
  }

  /** What -exec runs gets paths below where the search begins; that the search takes everything is the floor's finding on find. */
  #find(words: readonly string[], scope: Scope): void {
    const { starts, isRestricted } = searchOf(words.slice(1));
    const start = starts.find((path) => isProtected(path, scope.cwd) !== 'no') ?? starts[0] ?? '.';
    const found =
      isRestricted || isProtected(start, scope.cwd) === 'no' || deletionOf('find', words.slice(1), scope.cwd) !== null
        ? '/tmp/found/file'
        : start;
    for (const command of foundBy(words, found)) this.command(command, fork(scope, { stdin: { kind: 'none' } }));
  }
}
