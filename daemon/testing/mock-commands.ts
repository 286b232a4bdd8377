// What commands do under the daemon of tests: answers given beforehand, or processes of this host. Pure.

/** How a command ends that does not really run. */
export interface MockAnswer {
  readonly stdout?: string | undefined;
  readonly stderr?: string | undefined;
  /** 0 unless given. */
  readonly exitCode?: number | undefined;
  /** Milliseconds it takes. */
  readonly afterMs?: number | undefined;
}

/**
 * Answers by command, as text or argv joined by spaces; or a function that answers, undefined for what it does not know.
 * `host`: commands really run, as processes of this host with the rights of this process. NOTHING CONFINES THEM.
 */
export type MockCommands = 'host' | Readonly<Record<string, MockAnswer>> | ((command: string) => MockAnswer | undefined);

/** Longer words can't be handed to a process. */
const MAX_ANSWER_BYTES = 128 * 1024 - 1;
const ANSWER = 'sleep "$4"; printf %s "$1"; printf %s "$2" >&2; exit "$3"';

/** The argv that runs in the place of this one. */
export function standFor(commands: MockCommands, argv: readonly string[]): readonly string[] {
  if (commands === 'host') return argv;
  const command = commandOf(argv);
  const answer = typeof commands === 'function' ? commands(command) : Object.hasOwn(commands, command) ? commands[command] : undefined;
  return answering(answer ?? { exitCode: 127, stderr: `cloister/testing: no answer is given for ${JSON.stringify(command)}\n` });
}

function answering({ stdout = '', stderr = '', exitCode = 0, afterMs = 0 }: MockAnswer): string[] {
  const words = [stdout, stderr, String(exitCode), String(afterMs / 1000)];
  if (words.some((word) => Buffer.byteLength(word) > MAX_ANSWER_BYTES))
    return answering({ exitCode: 126, stderr: `cloister/testing: an answer has at most ${MAX_ANSWER_BYTES} bytes\n` });
  return ['/bin/sh', '-c', ANSWER, 'answer', ...words];
}

/** A command that was given as text arrives as one of a shell. */
function commandOf(argv: readonly string[]): string {
  const [shell = '', option, text] = argv;
  return argv.length === 3 && option === '-c' && /^(ba)?sh$/.test(shell) ? (text ?? '') : argv.join(' ');
}
