// What people run in sandboxes works in one, under the strict profile unless it says otherwise: compilers, interpreters,
// package tools, editors, a browser; debuggers under a profile with the debug filter.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { RUST, unpackPackages } from '../support/toolchains.ts';
import { copyHostTools, type HostTools } from '../support/host-tools.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const GIB = 1024 ** 3;
const LIMIT_MS = 120_000;
const isLoad = process.env['CLOISTER_TEST_LOAD'] === '1';
const COMPILERS = [...RUST, 'libstd-rust-dev', 'golang-1.19-go', 'golang-1.19-src', 'openjdk-17-jre-headless'];
/** Libraries of the copied programs; a command may set for itself what a client may not set for it. */
const TOOL = 'export LD_LIBRARY_PATH=/workspace/lib; /workspace/bin/';
const PROGRAM = '#include <stdio.h>\nint twice(int n) { return 2 * n; }\nint main(void) { printf("%d\\n", twice(21)); return 0; }\n';
const SERVER =
  "const s=require('http').createServer((q,a)=>a.end('served '+q.url)).listen(0,'127.0.0.1',()=>require('http').get({port:s.address().port,path:'/x'},(a)=>a.on('data',(d)=>{console.log(String(d));process.exit()})))";
const WHEEL = `import zipfile
z = zipfile.ZipFile("tiny-1.0-py3-none-any.whl", "w")
z.writestr("tiny.py", "answer = 42")
z.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
z.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
z.writestr("tiny-1.0.dist-info/RECORD", "")
z.close()`;
const MULTIPROCESSING = `import multiprocessing as m
def square(n): return n * n
if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        with m.get_context(method).Pool(2) as pool: print(method, sum(pool.map(square, range(10))))`;

let tools: HostTools;
let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;

beforeAll(async () => {
  tools = await copyHostTools();
  daemon = await startTestDaemon({
    config: {
      workspace: { hostRoots: [tools.root] },
      profiles: { debugging: { workspace: 'rw', network: 'none', seccomp: 'debug' } },
    },
  });
  client = await daemon.connect('acme');
  sandbox = await open('workspace-write-no-network');
  await sandbox.files.write('p.c', PROGRAM);
  await sandbox.files.write('wheel.py', WHEEL);
  await sandbox.files.write('pool.py', MULTIPROCESSING);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await tools[Symbol.asyncDispose]();
});

const open = (profile: string): Promise<Sandbox> =>
  client.open({
    session: profile,
    profile,
    limits: { memoryBytes: GIB, pids: 512, tmpBytes: 256 * 1024 * 1024 },
    workspace: { hostPath: tools.directory },
  });

describe('under the strict profile', () => {
  test.each<[string, string, string | RegExp]>([
    [
      'git keeps a history',
      'mkdir g && cd g && git init -q && git config user.name t && git config user.email t@t && echo a > a && git add . && git commit -qm one && git checkout -qb side && git log --format=%s && git gc -q && git clone -q . ../g2 && git -C ../g2 status -sb',
      /^one\n## side/,
    ],
    ['gcc compiles, links and runs', 'gcc -O2 -Wall -o p p.c && ./p', '42\n'],
    ['make runs jobs at once', `printf 'all: a b\\na b:\\n\\t@sleep 0.1; echo $@\\n' > Makefile && make -s -j2 | sort`, 'a\nb\n'],
    [
      'python makes a venv and pip installs a wheel in it',
      'python3 -m venv --system-site-packages --without-pip v && python3 wheel.py && v/bin/python -m pip install -q --no-index --disable-pip-version-check tiny-1.0-py3-none-any.whl && v/bin/python -c "import tiny; print(tiny.answer)"',
      '42\n',
    ],
    [
      'python runs threads',
      'python3 -c "import concurrent.futures as c; print(sum(c.ThreadPoolExecutor(8).map(abs, range(100))))"',
      '4950\n',
    ],
    ['python runs processes by every method', 'python3 pool.py', 'fork 285\nspawn 285\nforkserver 285\n'],
    [
      'python has sqlite',
      `python3 -c "import sqlite3; d = sqlite3.connect('d.db'); d.execute('create table t (n)'); d.execute('insert into t values (1)'); d.commit(); print(d.execute('select n from t').fetchall())"`,
      '[(1,)]\n',
    ],
    [
      'the sqlite shell works with a journal of its own',
      `${TOOL}sqlite3 s.db "pragma journal_mode=wal; create table t (n); insert into t values (7); select n from t;"`,
      'wal\n7\n',
    ],
    [
      'node runs worker threads',
      `node -e "const {Worker}=require('worker_threads');new Worker('require(\\"worker_threads\\").parentPort.postMessage(6*7)',{eval:true}).on('message',console.log)"`,
      '42\n',
    ],
    ['node serves HTTP on loopback', `node -e "${SERVER}"`, 'served /x\n'],
    [
      'npm installs a package',
      `mkdir -p t app && echo '{"name":"tiny","version":"1.0.0","main":"i.js"}' > t/package.json && echo 'module.exports=42' > t/i.js && cd app && npm init -y > /dev/null && npm install --silent --offline --no-audit --no-fund ../t && node -p "require('tiny')"`,
      '42\n',
    ],
    [
      'curl speaks to a server on loopback',
      'mkdir w && echo page > w/index.html && (cd w && exec python3 -m http.server 8123 --bind 127.0.0.1 2> /dev/null) & for n in $(seq 100); do curl -sf --noproxy "*" http://127.0.0.1:8123/ && break; sleep 0.1; done; kill %1',
      'page\n',
    ],
    [
      'tar keeps modes and times',
      'mkdir k && echo x > k/f && chmod 640 k/f && touch -d 2001-02-03T04:05:06Z k/f && tar -czf k.tgz k && rm -r k && tar -xzf k.tgz && stat -c "%a %Y" k/f',
      '640 981173106\n',
    ],
    [
      'tmux runs a command in a window',
      `${TOOL}tmux -S /tmp/tmux new-session -d 'echo in tmux $TMUX_PANE > tmux.txt' && for n in $(seq 100); do test -s tmux.txt && break; sleep 0.1; done; cat tmux.txt`,
      'in tmux %0\n',
    ],
    ['vim edits a file', `echo old > v.txt && ${TOOL}vim -u NONE -N -es -c '%s/old/new/' -c wq v.txt; cat v.txt`, 'new\n'],
    [
      'chromium renders a page without a window, with --no-sandbox',
      `echo '<p id=x></p><script>x.textContent = 6 * 7</script>' > page.html && ${TOOL}chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir=/tmp/profile --dump-dom file:///workspace/page.html 2> chromium.log; code=$?; test $code = 0 || { echo "exit $code"; tail -c 3000 chromium.log; } >&2`,
      /<p id="x">42<\/p>/,
    ],
  ])('%s', async (_, command, expected) => {
    const { stdout, stderr, outcome } = await sandbox.exec(['bash', '-c', command], { timeoutMs: LIMIT_MS });
    expect({ outcome, stdout, stderr }).toMatchObject({
      outcome: 'exited',
      stdout: typeof expected === 'string' ? expected : (expect.stringMatching(expected) as string),
    });
  });

  // Downloads 250 MB of packages, so not everywhere.
  test.each(isLoad ? ['go, rust and java'] : [])(
    '%s compile and run',
    async () => {
      await unpackPackages(tools.directory, COMPILERS);
      const usr = '/workspace/tree/usr';
      for (const [language, file, text, command] of [
        [
          'go',
          'h.go',
          'package main\nimport "fmt"\nfunc main() { c := make(chan int); for i := 0; i < 8; i++ { go func(n int) { c <- n }(i) }; s := 0; for i := 0; i < 8; i++ { s += <-c }; fmt.Println(s) }\n',
          `GOROOT=${usr}/lib/go-1.19 GOPATH=/tmp/go GOCACHE=/workspace/go-cache GOTMPDIR=/workspace ${usr}/lib/go-1.19/bin/go run h.go`,
        ],
        [
          'rust',
          'crate/src/main.rs',
          'fn main() { let s: i32 = (0..8).map(|n| std::thread::spawn(move || n)).map(|t| t.join().unwrap()).sum(); println!("{}", s) }\n',
          `printf '[package]\\nname = "crate"\\nversion = "0.1.0"\\n' > crate/Cargo.toml && cd crate && LD_LIBRARY_PATH=${usr}/lib/x86_64-linux-gnu PATH=${usr}/bin:$PATH CARGO_HOME=/workspace/cargo cargo run -q --offline`,
        ],
        [
          'java',
          'H.java',
          'import java.util.stream.*;\nclass H { public static void main(String[] a) { System.out.println(IntStream.range(0, 8).parallel().sum()); } }\n',
          `${usr}/lib/jvm/java-17-openjdk-*/bin/java H.java`,
        ],
      ] as const) {
        await sandbox.files.write(file, text);
        const { stdout, stderr } = await sandbox.exec(['bash', '-c', command], { timeoutMs: 2 * LIMIT_MS });
        expect(stdout, `${language}: ${stderr}`).toBe('28\n');
      }
    },
    600_000,
  );

  test('strace is refused', async () => {
    expect((await sandbox.exec(`${TOOL}strace true`)).stderr).toMatch(/PTRACE|Operation not permitted/);
  });
});

describe('under a profile with the debug filter', () => {
  let debugging: Sandbox;
  beforeAll(async () => {
    await sandbox.close();
    debugging = await open('debugging');
    await debugging.exec('gcc -g -O0 -o d p.c');
  });

  test.each<[string, string, RegExp]>([
    [
      'strace shows the calls of a program and its children',
      `${TOOL}strace -f -e trace=execve sh -c './d; true' 2>&1`,
      /execve\("\.\/d"[\s\S]*42\n/,
    ],
    [
      'gdb stops at a line and reads a variable',
      `${TOOL}gdb --data-directory=/workspace/gdb -nx -q -batch -ex 'break twice' -ex run -ex 'print n' -ex continue ./d 2>&1`,
      /\$1 = 21[\s\S]*42\n/,
    ],
  ])('%s', async (_, command, expected) => {
    expect((await debugging.exec(['bash', '-c', command], { timeoutMs: LIMIT_MS })).stdout).toMatch(expected);
  });
});
