// A daemon with two tenants' sandboxes for the console's tests: one that works, was refused things and writes what terminals
// obey, and a quiet one of another tenant.

import type { Sandbox } from '../../client/index.ts';
import { startTestDaemon, type TestDaemon } from './test-daemon.ts';

const RULES = [{ tool: 'exec', args: { command: 'deploy*' }, action: 'ask', reason: 'deploying is asked about' }, { preset: 'profile' }];

/** Title, link, clipboard, notification, a question with an answer, colours by number and by value, markup. */
const HOSTILE = [
  '\\033]0;EVIL TITLE\\007',
  '\\033]8;;https://evil.example/\\007click-me\\033]8;;\\007\\n',
  '\\033]52;c;aGVsbG8=\\007\\033]777;notify;a;b\\007\\033]10;#000000\\007\\033[21t\\033[6n\\033[c',
  '\\033[31mred\\033[0m \\033[38;2;10;200;100mtrue-colour\\033[0m\\n',
  '<script>alert(1)</script><img src=x onerror=alert(2)>\\n',
].join('');

export const MARKUP = '<img src=x onerror=alert(3)>';

export interface ConsoleWorld extends AsyncDisposable {
  readonly daemon: TestDaemon;
  /** Of the daemon, http. */
  readonly url: string;
  readonly busy: Sandbox;
  readonly quiet: Sandbox;
  /** Asks for something that is asked about; resolves with the outcome. */
  ask(command: string): Promise<string>;
}

/** Name of the picture, address, and a text that is there once the page has what it shows. */
export const consolePages = (busy: string): readonly (readonly [name: string, path: string, sign: string | RegExp])[] => [
  ['overview', 'overview', 'Busiest sandboxes'],
  ['sandboxes', 'sandboxes', 'build-42'],
  ['commands', `sandboxes/${busy}/commands/ticking`, /tick \d+/],
  ['hostile-output', `sandboxes/${busy}/commands/hostile`, 'true-colour'],
  ['egress', `sandboxes/${busy}/egress`, '169.254.169.254'],
  ['permissions', `sandboxes/${busy}/permissions`, 'the floor refuses it'],
  ['files', `sandboxes/${busy}/files`, 'README.md'],
  ['file', `sandboxes/${busy}/files/README.md`, '<b>Title</b>'],
  ['changes', `sandboxes/${busy}/changes`, 'numbers.txt'],
  ['usage', `sandboxes/${busy}/usage`, 'Processes, of'],
  ['receipt', `sandboxes/${busy}/receipt`, 'none, in all five sets'],
  ['recording', `sandboxes/${busy}/recording`, 'Speed'],
  ['confirmations', 'confirmations', 'deploy --to production'],
  ['audit', 'audit', 'exec.start'],
  ['policy', 'policy', 'Configuration in force'],
  ['doctor', 'doctor', 'seccomp-profiles'],
];

export async function consoleWorld(): Promise<ConsoleWorld> {
  const daemon = await startTestDaemon({
    config: { permissions: { rules: RULES, confirmTimeoutMs: 300_000 }, record: { bytes: 4 * 1024 * 1024 } },
  });
  const acme = await daemon.connect('acme', { onConfirm: () => new Promise(() => undefined) });
  const globex = await daemon.connect('globex');
  const [busy, quiet] = await Promise.all([
    acme.open({
      session: 'build-42',
      profile: 'workspace-write',
      egress: { allow: ['pypi.org', '*.github.com'] },
      labels: { agent: 'coder', channel: 'canary' },
    }),
    globex.open({ session: 'quiet', labels: { agent: MARKUP } }),
  ]);
  await busy.exec(
    `mkdir src && echo 'print(1)' > src/main.py && printf '# <b>Title</b>\\n\\033[31m' > README.md && head -c 64 /dev/zero > blob`,
  );
  await busy.workspace.snapshot('before');
  await busy.exec('echo more >> README.md; rm blob; seq 1000 > numbers.txt');
  await busy.exec('rm -rf /', { id: 'refused' });
  await busy.exec('curl -s http://169.254.169.254/latest; true');
  await busy.exec(`printf '${HOSTILE}'; exit 3`, { id: 'hostile' });
  // Has no line end, so that it is one growing line for whoever looks.
  const ticking = busy.exec('i=0; while :; do i=$((i+1)); echo "tick $i"; sleep 0.2; done', { background: true, id: 'ticking' });
  void Promise.resolve(ticking).catch(() => undefined);
  return {
    daemon,
    url: daemon.url.replace('ws', 'http'),
    busy,
    quiet,
    ask: async (command) => (await busy.exec(command)).outcome,
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}
