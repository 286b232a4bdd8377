// What is known of shell variables while a line is read: constants, and names that may be anything. Bounded.

import { UNKNOWN } from './markers.ts';

const MAX_VARIABLES = 256;
const MAX_VALUE = 1024;
/** With these in other hands a command is not what its name says. */
const TRUSTED =
  /^(PATH|IFS|ENV|BASH_ENV|BASH_FUNC_.*|LD_.*|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|CDPATH|EXECIGNORE|GIT_.*|NODE_OPTIONS|PYTHON(PATH|STARTUP|HOME)|PERL5?(LIB|OPT)|RUBY(OPT|LIB))$/;

export const HOME = '/tmp/home';
/** What every command's environment says, unless its request says otherwise. */
const INHERITED: ReadonlyMap<string, string> = new Map([
  ['HOME', HOME],
  ['TMPDIR', '/tmp'],
  ['USER', 'sandbox'],
  ['LOGNAME', 'sandbox'],
  ['?', '0'],
  ['$', '0'],
  ['!', '0'],
  ['#', '0'],
  ['BASHPID', '0'],
  ['PPID', '0'],
  ['UID', '0'],
  ['EUID', '0'],
  ['RANDOM', '0'],
  ['SECONDS', '0'],
  ['EPOCHSECONDS', '0'],
  ['LINENO', '0'],
]);

export const isTrusted = (name: string): boolean => TRUSTED.test(name);

export class Variables {
  readonly #values = new Map<string, readonly string[]>();
  /** What this is a fork of; not written to while this is in use. */
  readonly #below: Variables | null;
  /** Names whose inherited value the request replaces. */
  readonly #overridden: ReadonlySet<string>;
  #size = 0;
  /** A name that commands are found by was assigned: names of programs prove nothing from here on. */
  isTampered = false;
  hasOwnIfs = false;

  constructor(overridden: ReadonlySet<string>, below: Variables | null = null) {
    this.#overridden = overridden;
    this.#below = below;
    if (below === null) return;
    this.#size = below.#size;
    this.isTampered = below.isTampered;
    this.hasOwnIfs = below.hasOwnIfs;
  }

  /** The elements it has (one, unless it is an array); undefined: not set here. A text UNKNOWN: anything. */
  get(name: string, cwd: string | null): readonly string[] | undefined {
    const value = this.#find(name);
    if (value !== undefined) return value;
    if (this.#overridden.has(name)) return [UNKNOWN];
    if (name === 'PWD') return [cwd ?? UNKNOWN];
    const inherited = INHERITED.get(name);
    return inherited === undefined ? undefined : [inherited];
  }

  /** `isSure`: it is certain to be executed, in this order. */
  set(name: string, value: readonly string[], isSure: boolean): void {
    if (isTrusted(name)) this.isTampered = true;
    if (name === 'IFS') this.hasOwnIfs = true;
    const former = this.#find(name);
    if (isSure && value.length === 1 && value[0] === UNKNOWN && former?.[0] === UNKNOWN) return;
    const isKept = value.length <= 64 && value.every((text) => text.length <= MAX_VALUE);
    const isSame = former === undefined || (former.length === value.length && former.every((text, at) => text === value[at]));
    if (former === undefined) {
      if (this.#size >= MAX_VARIABLES) return;
      this.#size += 1;
    }
    this.#values.set(name, isKept && (isSure || isSame) ? value : [UNKNOWN]);
  }

  append(name: string, text: string, isSure: boolean): void {
    const former = this.#find(name);
    this.set(name, [`${former?.[0] ?? UNKNOWN}${text}`], isSure);
  }

  /** For a subshell: what it assigns stays in it. */
  fork(): Variables {
    return new Variables(this.#overridden, this);
  }

  #find(name: string): readonly string[] | undefined {
    const value = this.#values.get(name);
    return value !== undefined || this.#below === null ? value : this.#below.#find(name);
  }
}
