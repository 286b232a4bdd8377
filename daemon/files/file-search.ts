// The verbs that look at many files: list, glob and grep, as they find. Owns what is asked of the worker and how an answer that is
// cut short is told; how paths and lines are matched is the worker's business.

import { constants } from 'node:os';
import type { GrepLine, GrepSummary } from '../../client/protocol/file-search.ts';
import type { FileEntry, WalkSummary } from '../../client/protocol/files.ts';
import { FILE_FLAG } from '../link/messages.ts';
import type { FileRequest } from '../link/messages.ts';
import { abortable, type FileCalls } from './file-calls.ts';
import { ListingParser } from './file-stat.ts';
import { encodeGlobs } from './glob-patterns.ts';
import { compileRegex } from './regex-program.ts';
import { GrepParser, grepSummary, walkSummary } from './search-records.ts';
import { workspacePath } from './workspace-path.ts';

const DEFAULT_LIST_LIMIT = 1_000;
const DEFAULT_GLOB_LIMIT = 10_000;
const DEFAULT_GREP_LIMIT = 1_000;
const MAX_DEPTH = 64;

interface WalkOptions {
  readonly limit?: number | undefined;
  /** Passes over what .gitignore files name. */
  readonly gitignore?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Ends it with what it has. */
  readonly timeUp?: AbortSignal | undefined;
}

export interface ListOptions extends WalkOptions {
  readonly recursive?: boolean | undefined;
  readonly depth?: number | undefined;
  /** Goes on after this entry. */
  readonly after?: string | undefined;
}

export interface GlobSearch extends WalkOptions {
  readonly path: string;
  readonly pattern: string | readonly string[];
  readonly directories?: boolean | undefined;
  /** Goes on after this path. */
  readonly after?: string | undefined;
}

export interface GrepSearch extends WalkOptions {
  readonly path: string;
  readonly pattern: string;
  readonly literal?: boolean | undefined;
  readonly ignoreCase?: boolean | undefined;
  readonly glob?: string | readonly string[] | undefined;
  readonly before?: number | undefined;
  readonly after?: number | undefined;
  readonly perFile?: number | undefined;
}

interface Parser<T> {
  push(bytes: Buffer): T[];
  finish(): T[];
}

export class FileSearch {
  readonly #calls: FileCalls;

  constructor(calls: FileCalls) {
    this.#calls = calls;
  }

  /** Entries of a directory, by name, a directory before its content. */
  async *list(path: string, options: ListOptions = {}): AsyncGenerator<FileEntry[], WalkSummary, undefined> {
    const limit = options.limit ?? DEFAULT_LIST_LIMIT;
    const request: FileRequest = {
      op: 'list',
      path: workspacePath(path),
      ...(options.after === undefined ? {} : { path2: workspacePath(options.after) }),
      flags: options.gitignore === true ? FILE_FLAG.ignore : 0,
      depth: Math.min(options.depth ?? (options.recursive === true ? MAX_DEPTH : 0), MAX_DEPTH),
      length: limit,
    };
    return yield* this.#walk(request, path, entriesOf(limit, ''), walkSummary, options);
  }

  /** What matches one of the patterns and none that begins with `!`, with paths from the workspace. */
  async *glob(search: GlobSearch): AsyncGenerator<FileEntry[], WalkSummary, undefined> {
    const limit = search.limit ?? DEFAULT_GLOB_LIMIT;
    const root = workspacePath(search.path);
    const request: FileRequest = {
      op: 'list',
      path: root,
      ...(search.after === undefined ? {} : { path2: below(root, workspacePath(search.after)) }),
      flags: (search.gitignore === true ? FILE_FLAG.ignore : 0) | (search.directories === true ? 0 : FILE_FLAG.onlyFiles),
      depth: MAX_DEPTH,
      length: limit,
      extra: encodeGlobs(search.pattern),
    };
    return yield* this.#walk(request, search.path, entriesOf(limit, root), walkSummary, search);
  }

  /** Lines that match, and lines around them, file by file. */
  async *grep(search: GrepSearch): AsyncGenerator<GrepLine[], GrepSummary, undefined> {
    const root = workspacePath(search.path);
    const globs = encodeGlobs(search.glob, { matchesNames: true });
    const program = compileRegex(search.pattern, { isLiteral: search.literal, ignoresCase: search.ignoreCase });
    const length = Buffer.alloc(2);
    length.writeUInt16LE(globs.length);
    const request: FileRequest = {
      op: 'grep',
      path: root,
      flags: search.gitignore === true ? FILE_FLAG.ignore : 0,
      mode: (search.before ?? 0) | ((search.after ?? 0) << 8),
      depth: MAX_DEPTH,
      offset: search.perFile,
      length: search.limit ?? DEFAULT_GREP_LIMIT,
      extra: Buffer.concat([length, globs, program]),
    };
    const parser = new GrepParser((path) => (path === '' ? root : under(root, path)));
    return yield* this.#walk(request, search.path, parser, grepSummary, search);
  }

  async *#walk<T, S>(
    request: FileRequest,
    path: string,
    parser: Parser<T>,
    summaryOf: (body: Buffer, isTimeUp: boolean) => S,
    { signal, timeUp }: WalkOptions,
  ): AsyncGenerator<T[], S, undefined> {
    const exchange = await this.#calls.open(request, signal);
    const stop = (): void => exchange.cancel();
    if (timeUp?.aborted === true) stop();
    timeUp?.addEventListener('abort', stop, { once: true });
    try {
      for await (const part of abortable(exchange, signal)) {
        const found = this.#calls.trust(() => parser.push(part));
        if (found.length > 0) yield found;
      }
      const end = await exchange.end;
      const isTimeUp = timeUp?.aborted === true && end.errno === constants.errno.ECANCELED;
      if (!isTimeUp) this.#calls.check(request, end, { path });
      return this.#calls.trust(() => {
        if (!isTimeUp) parser.finish();
        return summaryOf(end.body, isTimeUp);
      });
    } finally {
      timeUp?.removeEventListener('abort', stop);
    }
  }
}

function entriesOf(limit: number, root: string): Parser<FileEntry> {
  const parser = new ListingParser(limit);
  return {
    push(bytes) {
      parser.push(bytes);
      const entries = parser.take();
      return root === '' ? entries : entries.map((entry) => ({ ...entry, path: under(root, entry.path) }));
    },
    finish: () => parser.finish(),
  };
}

const under = (root: string, path: string): string => (root === '' ? path : `${root}/${path}`);

/** A path that was told `under` the root, as it is below it. */
function below(root: string, path: string): string {
  return root !== '' && path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
}
