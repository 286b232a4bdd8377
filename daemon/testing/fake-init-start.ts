// START as the fake init reads it, and as which process of the host it is carried out.

import { join } from 'node:path';

const START_STRUCT = 32;

/** What really runs in the place of a command; itself unless something else is answered. */
export type Stand = (argv: readonly string[]) => readonly string[];

export interface FakeStart {
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly hasStdin: boolean;
  /** Milliseconds; 0: no limit. */
  readonly wallMs: number;
  readonly idleMs: number;
  readonly graceMs: number;
}

export function readStart(body: Buffer, workspace: string, stand: Stand = (argv) => argv): FakeStart {
  const [argc, envc] = [body.readUInt16LE(6), body.readUInt16LE(8)];
  const strings = body.toString('utf8', START_STRUCT).split('\0');
  const isPty = body[1] === 1;
  const argv = stand(strings.slice(1, 1 + argc));
  return {
    cwd: mapPath(strings[0] ?? '/', workspace),
    argv: isPty ? onTerminal(argv, body.readUInt16LE(2), body.readUInt16LE(4)) : argv,
    env: Object.fromEntries(
      strings.slice(1 + argc, 1 + argc + envc).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
    ),
    hasStdin: body[0] === 1 || isPty,
    wallMs: body.readUInt32LE(12),
    idleMs: body.readUInt32LE(16),
    graceMs: body.readUInt32LE(20),
  };
}

/** A terminal of that size, by script(1); its size stays what it is. */
function onTerminal(argv: readonly string[], columns: number, rows: number): string[] {
  const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return ['script', '-qec', `stty cols ${columns} rows ${rows}; ${quoted}`, '/dev/null'];
}

function mapPath(path: string, workspace: string): string {
  return path === '/workspace' || path.startsWith('/workspace/') ? join(workspace, path.slice('/workspace'.length)) : path;
}
