// Rules of the repository that no linter has: each looks at one file as text. Pure; knows nothing of git or the disk.

export interface SourceFile {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Violation {
  readonly path: string;
  /** 1-based; 0 is the file as a whole. */
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

const MAX_LINES = 300;
const TEST_FOLDERS = /^test\/(unit|docker|attack|load)\//;
const isCode = (path: string): boolean => /\.(tsx?|mjs|cjs|js|c|h|sh)$/.test(path) || path === '.ci/run';
const isModule = (path: string): boolean => /^(client|console|daemon|seccomp)\/.*\.tsx?$/.test(path) || /^images\/.*\.[ch]$/.test(path);

type Finding = Omit<Violation, 'path' | 'rule'>;
type Check = (file: SourceFile) => Iterable<Finding>;

/** One finding for each line that matches. */
function* linesThat(file: SourceFile, pattern: RegExp, message: (match: string) => string): Iterable<Finding> {
  for (const [index, line] of file.text.split('\n').entries()) {
    const match = pattern.exec(line);
    if (match !== null) yield { line: index + 1, message: message(match[0]) };
  }
}

// Written with classes of one letter so that this file passes its own rule.
const UNFINISHED = /\b(?:TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b|\bnot [i]mplemented\b|\bfor [n]ow\b/;
const MACHINE_PATH = /(?<![\w.@-])\/(?:work|farm|home\/[a-z]\w*|Users\/\w+)\//;
const SKIPPED_OR_FOCUSED =
  /\b(?:describe|it|test|bench)(?:\.\w+)*\.(?:skip|skipIf|only|todo|runIf|fails)\b|\b(?:xit|xdescribe|fit|fdescribe)\(/;
const RETRIED = /\bretry:\s*[1-9]/;

export const RULES: Readonly<Record<string, Check>> = {
  *'max-lines'({ path, text }) {
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
    if (isCode(path) && lines > MAX_LINES) yield { line: 0, message: `has ${lines} lines; at most ${MAX_LINES}: split it by noun or verb` };
  },
  *'no-unfinished'(file) {
    if (file.path === 'CHANGELOG.md') return;
    yield* linesThat(file, UNFINISHED, (match) => `says "${match}": finish it or leave it out`);
  },
  *'no-machine-path'(file) {
    yield* linesThat(file, MACHINE_PATH, (match) => `names ${match}, a path of one machine`);
  },
  *'no-skipped-test'(file) {
    if (!file.path.startsWith('test/')) return;
    yield* linesThat(file, SKIPPED_OR_FOCUSED, (match) => `uses ${match}: every test runs, everywhere`);
    yield* linesThat(file, RETRIED, () => 'retries a test: a test passes or fails');
  },
  *'test-is-run'({ path }) {
    if (/\.(test|spec)\.ts$/.test(path) && !(TEST_FOLDERS.test(path) && path.endsWith('.test.ts'))) {
      yield { line: 0, message: 'is in no test project: tests are test/{unit,docker,attack,load}/**/*.test.ts' };
    }
  },
  *'module-opens-with-comment'({ path, text }) {
    // A C module is described by its header.
    const header = path.replace(/^.*\/(.*)\.c$/, '#include "$1.h"\n');
    if (isModule(path) && !/^(?:#!.*\n)?\s*(?:\/\/|\/\*)/.test(text) && !text.slice(0, 300).includes(header)) {
      yield { line: 1, message: 'opens without a comment: say what the module owns and what it must not know' };
    }
  },
  *'no-module-state'(file) {
    if (!/^(client|console|daemon)\/.*\.tsx?$/.test(file.path)) return;
    yield* linesThat(file, /^(?:export )?(?:let|var) \w+/, (match) => `declares "${match}" at module level: state belongs to an object`);
  },
  *'file-name'({ path }) {
    const name = path.split('/').at(-1) ?? '';
    if (isCode(path) && /^(?:utils?|common|helpers|managers?|types|misc|cloister)\.\w+$/.test(name)) {
      yield { line: 0, message: 'has a name that says nothing: name it after its main export' };
    }
  },
  *'text-form'({ text }) {
    if (text.includes('\r')) yield { line: 0, message: 'has carriage returns' };
    if (text.length > 0 && !text.endsWith('\n')) yield { line: 0, message: 'does not end with a newline' };
  },
};

export function checkFile(file: SourceFile): Violation[] {
  return Object.entries(RULES).flatMap(([rule, check]) => [...check(file)].map((found) => ({ path: file.path, rule, ...found })));
}
