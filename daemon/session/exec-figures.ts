// What a command has used, for the record of its end: what it cost is asked later, when the command is long gone.

import type { ExecResult } from '../../client/protocol/exec.ts';

export const figuresOf = ({ exitCode, durationMs, cpuMs, maxRssBytes, nextOffset, notes }: ExecResult) => ({
  exitCode,
  durationMs,
  cpuMs,
  maxRssBytes,
  outputBytes: nextOffset,
  ...(notes.length === 0 ? {} : { notes: notes.map(({ code }) => code) }),
});
