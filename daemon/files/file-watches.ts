// Watching a directory: events of the file worker, those of one file within a moment put together. Owns what is one event; where they
// come from is the worker's business.

import type { WatchEvent } from '../../client/protocol/file-search.ts';
import { LinkViolation, MAX_PATH_BYTES } from '../link/frames.ts';
import { FILE_FLAG } from '../link/messages.ts';
import type { FileRequest } from '../link/messages.ts';
import { pathText } from '../link/path-bytes.ts';
import { abortable, type FileCalls } from './file-calls.ts';
import { workspacePath } from './workspace-path.ts';

const TYPES = ['ready', 'create', 'change', 'delete', 'rename', 'overflow', 'limit'] as const;
const RECORD_BYTES = 8;
const MAX_HELD = 1024;

export class FileWatches {
  readonly #calls: FileCalls;

  constructor(calls: FileCalls) {
    this.#calls = calls;
  }

  /** Until the signal; FILE_NOT_FOUND when what is watched is gone. Events of one read, each file once as far as order allows. */
  async *watch(
    path: string,
    options: { readonly recursive?: boolean | undefined; readonly signal: AbortSignal },
  ): AsyncGenerator<WatchEvent[], void, undefined> {
    const root = workspacePath(path);
    const request: FileRequest = { op: 'watch', path: root, flags: options.recursive === false ? 0 : FILE_FLAG.recursive };
    const exchange = await this.#calls.open(request, options.signal);
    const parser = new WatchParser((name) => (name === '' ? root : root === '' ? name : `${root}/${name}`));
    for await (const part of abortable(exchange, options.signal)) {
      const events = this.#calls.trust(() => parser.push(part));
      if (events.length > 0) yield events;
    }
    this.#calls.check(request, await exchange.end, { path });
  }
}

/** What became of several events of one path in a row; null: they stay as they are. */
function merged(first: WatchEvent, next: WatchEvent): WatchEvent | null {
  if (first.path !== next.path || next.type !== 'change') return null;
  return first.type === 'change' || first.type === 'create' ? first : null;
}

/** Keeps the last event of each path, so that changes after it are no event of their own. */
export class EventMerger {
  #events: WatchEvent[] = [];
  readonly #last = new Map<string, number>();

  get isFull(): boolean {
    return this.#events.length >= MAX_HELD;
  }

  add(event: WatchEvent): void {
    const at = this.#last.get(event.path);
    const before = at === undefined ? undefined : this.#events[at];
    if (before !== undefined && merged(before, event) !== null) return;
    this.#last.set(event.path, this.#events.length);
    if (event.from !== undefined) this.#last.delete(event.from);
    this.#events.push(event);
  }

  take(): WatchEvent[] {
    const events = this.#events;
    this.#events = [];
    this.#last.clear();
    return events;
  }
}

class WatchParser {
  readonly #pathOf: (name: string) => string;
  #rest: Buffer = Buffer.alloc(0);

  constructor(pathOf: (name: string) => string) {
    this.#pathOf = pathOf;
  }

  push(bytes: Buffer): WatchEvent[] {
    const buffer = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const events: WatchEvent[] = [];
    let at = 0;
    while (buffer.length - at >= RECORD_BYTES) {
      const type = TYPES[(buffer[at] ?? 0) - 1];
      const [pathBytes, fromBytes] = [buffer.readUInt16LE(at + 2), buffer.readUInt16LE(at + 4)];
      if (type === undefined || pathBytes > MAX_PATH_BYTES || fromBytes > MAX_PATH_BYTES || (fromBytes > 0 && type !== 'rename'))
        throw new LinkViolation('an event of a watch is malformed');
      const pathEnd = at + RECORD_BYTES + pathBytes;
      if (pathEnd + fromBytes > buffer.length) break;
      const from = fromBytes === 0 ? {} : { from: this.#pathOf(pathText(buffer.subarray(pathEnd, pathEnd + fromBytes))) };
      const path = this.#pathOf(pathText(buffer.subarray(at + RECORD_BYTES, pathEnd)));
      events.push({ type, path, ...from, isDirectory: buffer[at + 1] === 1 });
      at = pathEnd + fromBytes;
    }
    this.#rest = Buffer.from(buffer.subarray(at));
    return events;
  }
}
