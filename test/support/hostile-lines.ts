// Command lines of 100 KiB that nobody writes: what a shell knows, repeated, nested, and made much of. Pure.

const HOSTILE_LENGTH = 100 * 1024;

const filled = (text: string): string => text.repeat(Math.ceil(HOSTILE_LENGTH / text.length)).slice(0, HOSTILE_LENGTH);

const nested = (open: string, inside: string, close: string): string => {
  const depth = Math.floor((HOSTILE_LENGTH - inside.length) / (open.length + close.length));
  return open.repeat(depth) + inside + close.repeat(depth);
};

/** Over and over. */
const REPEATED = [
  ...['|', '&', ';', '(', ')', '<', '>', '{', '}', '[', ']', '!', '*', '?', '~', '#', '=', '+', ',', '-', '\\', '"', "'", '$', '`', '/'],
  ...[' ', '\n', '\t', '\r\n', '\0', 'é', '😀', '\uE000', '\\\n', 'a', '$$', '$(', '${', '$((', '$[', "$'", '$"', '((', '[[', '<(', '>('],
  ...['<<A ', '<<<a ', 'cat <<A;', 'cat <<A\n$a\nA\n', '${a:-', '${a[', '${a//b/', '"$(', '"`', '"${a}"', '{a,', '{a,b}', '{1..9}', 'a{'],
  ...[
    'a=$a$a;',
    'a+=$b;',
    'a[0]=b;',
    'a=(b c);',
    'a=( ',
    'a|',
    'a&&',
    'a||',
    'a;',
    'a&',
    'a\n',
    'a 1>&2;',
    'a >b;',
    'a <b;',
    '1>',
    '(a);',
    '{ a; };',
  ],
  ...['$a b;', '"$a" b;', '$(a);', '`a`;', '! a;', '[ a ];', '[[ a == b ]];', '((a));', 'a*;', 'a $b c;', '@(a|b) ', 'echo hello world; '],
  ...[
    'if a; then b; fi;',
    'while a; do b; done;',
    'for a in b c; do d; done;',
    'case a in b) c;; esac;',
    'f() { f; f; }; f; ',
    ':(){ :|:& };:;',
  ],
  ...[
    'for a in 1 2 3 4 5 6 7 8 9; do ',
    'if ',
    'while ',
    'case a in ',
    'function f ',
    'coproc ',
    'time ',
    'sudo ',
    'env ',
    'xargs ',
    'eval ',
    'sh -c ',
  ],
  ...[
    'busybox ',
    'find . -exec ',
    'su -c ',
    "eval 'a b'; ",
    "sh -c 'a b'; ",
    'echo a | sh; ',
    'echo $(echo $(echo a)); ',
    'cd a;',
    'cd a/a/a/a/a/a/a; rm -rf *;',
  ],
  ...['rm -rf /; ', 'rm -rf $X/*; ', '$X a b c d e f g h; ', 'dd of=/dev/sda; ', 'a"b"\'c\'$d`e`$(f){g,h}*?[i]~\\j '],
];

/** As arguments of one command. */
const ARGUMENTS = [
  ...[
    'a',
    '/a',
    '$X/a',
    '/*',
    '/*a*b*',
    '*',
    '$b',
    '"$b"',
    "'b'",
    '$(b)',
    '`b`',
    '${b:-c}',
    '$((1))',
    '{b,c}',
    '{1..256}',
    '\\b',
    '~b',
    '-r',
  ],
  ...[
    '>b',
    '<(b)',
    'b=c',
    '../b',
    "$'b'",
    '[a]',
    '#b',
    'é',
    '{a,{b,{c,{d,e}}}}',
    '{{1..250},a}{1..250}',
    '{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}',
  ],
];

const NESTED: readonly (readonly [string, string, string])[] = [
  ['$(', 'x', ')'],
  ['(', 'x', ')'],
  ['{ ', 'x', ';}'],
  ['"$(', 'x', ')"'],
  ['<(', 'x', ')'],
  ['${a:-', 'x', '}'],
  ['$((', '1', '))'],
  ['{a,', 'b', '}'],
  ['if a; then ', 'x', '; fi'],
  ['for a in b; do ', 'x', '; done'],
  ['f() { ', 'x', ';}'],
  ['@(', 'x', ')'],
];

const long = (text: string, share = 0.9): string => text.repeat(Math.floor((HOSTILE_LENGTH * share) / text.length));
const times = (text: string, count: number): string => text.repeat(count);
const SIXTEEN = 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do';

/** Little that is made much of: what is long is looked at by every command. */
const MULTIPLIED: Readonly<Record<string, string>> = {
  'a function of a long word': `f() { x ${long('b')}; }; ${times('f; ', 900)}`,
  'a function of a long quoted word': `f() { x ${long('\\b')}; }; ${times('f; ', 900)}`,
  'a function of many braces': `f() { x ${times('{a,b}', 8)}${times('b', 3900)}; }; ${times('f; ', 900)}`,
  'a function with a long argument': `f() { ${times('rm -rf $1; ', 900)} }; f ${long('a/', 0.8)}`,
  'a script with a long argument': `sh -c '${times('x $1$1$1$1; ', 900)}' sh ${long('a', 0.8)}`,
  'loops in a loop about a long word': `${SIXTEEN} ${SIXTEEN} x ${long('\\b')}; done; done`,
  'a loop with many redirections': `${SIXTEEN} { x; } ${long('>a ')}; done`,
  'a long text that many commands read': `while a; do ${times('read b; ', 1000)} done <<E\n${long('a ', 0.8)}\nE`,
  'a long text that many shells read': `(${times('sh; ', 1000)}) <<E\n${long('a; ', 0.8)}\nE`,
  'a long text through many pipes': `echo '${long('a', 0.8)}' | ${times('cat | ', 1500)} sh`,
  'long words in front of braces': filled(`rm -rf ${times('/a', 1900)}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b} `),
  'long words in front of a sequence': filled(`rm -rf ${times('a', 4000)}{1..250} `),
  'braces that open': filled(`echo ${times('{a', 2000)},b} `),
  'directories that get deeper': filled(`cd ${times('a/', 50)};`),
  'a long array': `a=(${times(`${times('a', 999)} `, 64)}); ${times('x "${a[@]}"; ', 2500)}`,
  'many variables in many subshells': `${Array.from({ length: 256 }, (_, at) => `v${at}=1;`).join('')}${times('(a);', 24_000)}`,
  'a long place holder': `echo ${times('b', 1000)} | xargs -I{} a ${times('{}', 40_000)}`,
  'a long find': `find ${times('/b', 2000)} -exec a ${times('{}', 40_000)} \\;`,
  'a long format': `printf '${times('x', 40_000)}%s' ${times('b ', 60)} | sh`,
  'wrappers of a long word': `${times('env ', 900)}rm -rf ${long('a/')}`,
};

export const HOSTILE_LINES: ReadonlyMap<string, string> = new Map([
  ...REPEATED.map((text) => [`repeated ${JSON.stringify(text)}`, filled(text)] as const),
  ...ARGUMENTS.map((text) => [`arguments ${JSON.stringify(text)}`, `rm -rf ${filled(`${text} `)}`] as const),
  ...NESTED.map(([open, inside, close]) => [`nested ${JSON.stringify(open)}`, nested(open, inside, close)] as const),
  ...Object.entries(MULTIPLIED),
]);
