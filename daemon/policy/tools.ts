// The tools that permission rules speak of. A name is what a rule's `tool` is compared with; `*` and prefix* cover several.
//
//   exec            one simple command of a line: `command`, `program`, `cwd`
//   shell           a shell that the client feeds by stdin or a terminal, so that no rule sees what it will run
//   files.OP        read view list stat readlink glob grep watch download | write edit insert patch undoEdit mkdir remove move copy
//                   chmod symlink upload: `path`, and `to`. A view is also a read; edits, copies and moves are also writes
//   workspace.OP    usage snapshots diff | snapshot restore fork undo
//   egress          an entry of a session's egress lists: `domain`
//   ports.url       a preview's address: `port`
//   secrets.set     giving the session a secret: `name`

/** Wire operations that are tools, by their own names; exec.start is judged command by command. */
export const READING_TOOLS = [
  ...['read', 'view', 'list', 'stat', 'readlink', 'glob', 'grep', 'watch', 'download'].map((verb) => `files.${verb}`),
  ...['usage', 'snapshots', 'diff'].map((verb) => `workspace.${verb}`),
];

export interface PermissionRequest {
  readonly tool: string;
  readonly args: Readonly<Record<string, string>>;
  /** Of egress. */
  readonly host?: string;
  /** False: it can't be read; it matches every deny and no allow. */
  readonly isReadable?: boolean;
}
