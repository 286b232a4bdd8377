// `cloister cp`: files and directories between this machine and an open session.

import type { Command } from 'commander';
import { ClientError } from '../errors.ts';
import { act, printJson } from './act.ts';
import type { CliContext } from './context.ts';
import { download, upload, type Copied } from './copy-tree.ts';
import { bytesText } from './byte-count.ts';
import { escapeText } from './escape-text.ts';
import { joinSession } from './join-session.ts';
import { Progress } from './progress.ts';

/** SESSION:PATH, or null for a path here; `./a:b` is a path here. */
export function parseRemote(text: string): { readonly session: string; readonly path: string } | null {
  const [, session, path] = /^([a-z0-9][a-z0-9._-]{0,62}):(.*)$/s.exec(text) ?? [];
  return session === undefined || path === undefined ? null : { session, path: path === '' ? '.' : path };
}

export function addCpCommand(program: Command, context: CliContext): void {
  program
    .command('cp')
    .description('copy a file or directory between this machine and an open session')
    .argument('<src>', 'PATH or SESSION:PATH')
    .argument('<dst>', 'PATH or SESSION:PATH')
    .action((src: string, dst: string) =>
      act(context, 1, async (cloister) => {
        const [from, to] = [parseRemote(src), parseRemote(dst)];
        const progress = new Progress(context.err);
        const tell = ({ files, bytes }: Readonly<Copied>): void => progress.tell(`${files} files, ${bytesText(bytes)}`);
        let copied: Copied;
        try {
          if (from === null && to !== null) copied = await upload(src, (await joinSession(cloister, to.session)).files, to.path, tell);
          else if (from !== null && to === null)
            copied = await download((await joinSession(cloister, from.session)).files, from.path, dst, tell);
          else throw new ClientError('INVALID_ARGUMENT', 'Cannot copy: exactly one of SRC and DST must be SESSION:PATH');
        } finally {
          progress.end();
        }
        for (const path of copied.skipped) context.err.write(`cloister: skipped ${escapeText(path)}: neither file nor directory\n`);
        if (context.json) printJson(context, copied);
        return 0;
      }),
    );
}
