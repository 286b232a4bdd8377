// Programs that run what their arguments name: where in the arguments it begins. A table and its one reader. Pure.

import { isComputed, STAR, UNKNOWN } from './markers.ts';

const MAX_REPLACED = 128 * 1024;

interface Wrapper {
  /** Short options that take a value. */
  readonly values: string;
  /** Long options that take the next word as their value. */
  readonly long?: readonly string[];
  /** Operands before the command. */
  readonly skip?: number;
  /** NAME=value may precede the command. */
  readonly hasAssignments?: boolean;
  /** It changes nothing about what the command may do: it needs no rule of its own. */
  readonly isTransparent?: boolean;
}

const WRAPPERS: Readonly<Record<string, Wrapper>> = {
  sudo: {
    values: 'ughpCrtTDRU',
    long: ['user', 'group', 'host', 'prompt', 'chroot', 'chdir', 'role', 'type', 'close-from', 'other-user', 'command-timeout'],
    hasAssignments: true,
  },
  doas: { values: 'uC' },
  pkexec: { values: '', long: ['user'] },
  env: { values: 'uCS', long: ['unset', 'chdir', 'split-string', 'argv0'], hasAssignments: true, isTransparent: true },
  nice: { values: 'n', long: ['adjustment'], isTransparent: true },
  ionice: { values: 'cnpPu', long: ['class', 'classdata'], isTransparent: true },
  nohup: { values: '', isTransparent: true },
  setsid: { values: '', isTransparent: true },
  stdbuf: { values: 'ioe', long: ['input', 'output', 'error'], isTransparent: true },
  timeout: { values: 'sk', long: ['signal', 'kill-after'], skip: 1, isTransparent: true },
  time: { values: 'fo', long: ['format', 'output'], isTransparent: true },
  command: { values: '', isTransparent: true },
  builtin: { values: '', isTransparent: true },
  exec: { values: 'a', isTransparent: true },
  chrt: { values: 'TPD', skip: 1, isTransparent: true },
  taskset: { values: '', skip: 1, isTransparent: true },
  chroot: { values: '', long: ['userspec', 'groups'], skip: 1 },
  unshare: { values: 'SGRw', long: ['setuid', 'setgid', 'root', 'wd', 'map-user', 'map-group', 'propagation', 'setgroups'] },
  nsenter: { values: 'tSGrw', long: ['target', 'setuid', 'setgid'] },
  setpriv: { values: '', long: ['reuid', 'regid', 'groups', 'inh-caps', 'ambient-caps', 'bounding-set', 'securebits', 'pdeathsig'] },
  runuser: { values: 'ugGsc', long: ['user', 'group', 'supp-group', 'shell', 'command'] },
  strace: { values: 'abeEIoOpPsSuUX', long: ['output', 'trace'] },
  ltrace: { values: 'aADeFlnopsuwx' },
  valgrind: { values: '' },
  fakeroot: { values: 'lsib' },
  catchsegv: { values: '' },
  eatmydata: { values: '' },
  numactl: { values: 'iCNmp' },
  'dbus-run-session': { values: '', long: ['config-file', 'dbus-daemon'] },
  'xvfb-run': { values: 'efnpsw' },
  'systemd-run': { values: 'pHMuE', long: ['property', 'unit', 'slice', 'uid', 'gid', 'setenv', 'description', 'working-directory'] },
  flock: { values: 'wEc', long: ['timeout', 'wait', 'conflict-exit-code', 'command'], skip: 1 },
  watch: { values: 'nqd', long: ['interval'] },
  parallel: {
    values: 'jnNLISaCd',
    long: ['jobs', 'arg-file', 'colsep', 'delimiter', 'joblog', 'results', 'workdir', 'timeout', 'max-args'],
  },
  xargs: {
    values: 'aEdILnPs',
    long: ['arg-file', 'delimiter', 'max-args', 'max-procs', 'replace', 'max-lines', 'max-chars', 'eof', 'process-slot-var'],
  },
  busybox: { values: '', isTransparent: true },
  toybox: { values: '', isTransparent: true },
};

export interface Wrapped {
  /** The inner command; empty: the wrapper runs none. */
  readonly argv: readonly string[];
  readonly isTransparent: boolean;
  /** Variables that the wrapper sets for it. */
  readonly assigned: readonly string[];
  /** Values of the wrapper's own options, by letter or name. */
  readonly options: ReadonlyMap<string, string>;
}

/** null: the program wraps nothing. */
export function unwrap(program: string, words: readonly string[]): Wrapped | null {
  const name = /^ld(-linux.*|-musl.*)?\.so(\.\d+)*$/.test(program) ? 'ld.so' : program;
  const wrapper = name === 'ld.so' ? { values: '', long: ['library-path', 'preload', 'argv0', 'audit'] } : own(name);
  if (wrapper === undefined) return null;
  const options = new Map<string, string>();
  const assigned: string[] = [];
  let at = 1;
  for (; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word === '--') {
      at += 1;
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      if (wrapper.hasAssignments === true && /^[A-Za-z_]\w*=/.test(word)) assigned.push(word);
      else break;
    } else if (word.startsWith('--')) {
      const [option, value] = splitOnce(word.slice(2), '=');
      if (value !== undefined) options.set(option, value);
      else if (wrapper.long?.includes(option) === true) {
        at += 1;
        options.set(option, words[at] ?? '');
      } else options.set(option, '');
    } else {
      for (let letter = 1; letter < word.length; letter += 1) {
        const option = word[letter] ?? '';
        if (!wrapper.values.includes(option)) {
          options.set(option, '');
          continue;
        }
        if (letter === word.length - 1) at += 1;
        options.set(option, letter === word.length - 1 ? (words[at] ?? '') : word.slice(letter + 1));
        break;
      }
    }
  }
  // taskset -p and ionice -p act on a process, flock may get a descriptor: then no command follows, which does no harm here.
  at += wrapper.skip ?? 0;
  while (wrapper.hasAssignments === true && /^[A-Za-z_]\w*=/.test(words[at] ?? '')) {
    assigned.push(words[at] ?? '');
    at += 1;
  }
  return { argv: words.slice(at), isTransparent: wrapper.isTransparent === true, assigned, options };
}

const own = (name: string): Wrapper | undefined => (Object.hasOwn(WRAPPERS, name) ? WRAPPERS[name] : undefined);

function splitOnce(text: string, at: string): readonly [string, string | undefined] {
  const index = text.indexOf(at);
  return index === -1 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}

/** The commands of find's -exec and its kin, with what stands for a file that was found. */
export function foundBy(words: readonly string[], found: string): readonly (readonly string[])[] {
  const commands: string[][] = [];
  for (let at = 1; at < words.length; at += 1) {
    if (!/^-(exec|execdir|ok|okdir)$/.test(words[at] ?? '')) continue;
    const command: string[] = [];
    for (at += 1; at < words.length && words[at] !== ';' && !(words[at] === '+' && words[at - 1] === '{}'); at += 1)
      command.push(replaced(words[at] ?? '', '{}', found));
    if (command.length > 0) commands.push(command);
  }
  return commands;
}

/** The command of xargs or parallel with the items in place. */
export function withItems(
  argv: readonly string[],
  options: ReadonlyMap<string, string>,
  items: readonly string[] | null,
): readonly string[] {
  const place = options.get('I') ?? (options.has('i') ? '{}' : options.get('replace') === '' ? '{}' : options.get('replace'));
  const all = items ?? [UNKNOWN];
  if (place === undefined || place === '') return [...argv, ...all];
  const item = all.length === 1 ? (all[0] ?? '') : (all.find((text) => text === '/' || text.includes(STAR)) ?? all[0] ?? UNKNOWN);
  return argv.map((word) => (isComputed(word) ? word : replaced(word, place, item)));
}

/** What gets longer than anything that is compared may be anything. */
function replaced(word: string, place: string, item: string): string {
  const between = word.split(place);
  return word.length + (between.length - 1) * item.length > MAX_REPLACED ? UNKNOWN : between.join(item);
}
