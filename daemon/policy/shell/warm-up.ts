// Reads lines of every kind before anyone waits: code that has run is compiled, and a daemon's first long line is read as fast
// as its thousandth.

import { analyze } from './analyze.ts';

const ROUNDS = 24;
const REPEATS = 12;
const CONTEXT = { cwd: '/workspace', isFed: false, envNames: [] };

/** Every construct that a shell has, and every wrapper that is unwrapped in a way of its own. */
const LINES = [
  'echo hello world; cd src && rm -rf "${dir:-build}"/* a{1,2}.{b,c} x{1..3} || exit 1; ls -la | sort | head -n 3 &\n',
  'a=$a$b; b+=("$c" d); export E="$(pwd)/x" F=\'y\'; [ -f "$a" ] && echo "${#a} ${a//b/c} $((1 + 2)) $\'\\x41\'"; unset a\n',
  'for f in a b *.c; do test -e "$f" || { cat <"$f" >>out 2>&1; }; done; while read -r l; do printf "%s\\n" "$l"; done <in\n',
  'if [[ $a == b* && ! -d c ]]; then f() { g "$@"; }; f 1 2; elif true; then :; else (exit 2); fi; case $a in b|c) d;; *) e;; esac\n',
  'sudo -u root env A=b nice -n 5 timeout 3 sh -c \'rm -rf "$1"\' sh x; eval "echo $a"; find . -name a -exec rm {} \\; ; `b` <(c) @(d|e)\n',
  'cat <<E | xargs -I{} rm -rf {}/x\na $b $(c)\nE\ntee /dev/null <<<"$a"; dd if=a of=b; kill -9 1; $X -f ~/a ../b; echo \\a\\ b ~c [d] ? # e\n',
];

/** About a quarter of a second. Answers why lines could not be read, which is nothing. */
export function warmUp(): readonly string[] {
  const problems = new Set<string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const line of LINES) {
      const { unparseable } = analyze(line.repeat(REPEATS), CONTEXT);
      if (unparseable !== null) problems.add(unparseable);
    }
  }
  return [...problems];
}
