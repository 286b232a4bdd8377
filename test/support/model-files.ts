// A file system that is a map: what the file verbs must come to, said as plainly as possible. For property tests.

import { SandboxError, type ErrorCode } from '../../client/protocol/errors.ts';

type Content = string | null;
interface Act {
  readonly verb: string;
  readonly path: string;
  readonly to?: string;
  readonly text?: string;
  readonly flag?: boolean;
}

const parentOf = (path: string): string => path.split('/').slice(0, -1).join('/');
const fail = (code: ErrorCode): never => {
  throw new SandboxError(code, code);
};

export class ModelFiles {
  /** Path -> text of a file, null of a directory; the root is ''. */
  #entries = new Map<string, Content>([['', null]]);

  content(): [string, Content][] {
    return [...this.#entries].filter(([path]) => path !== '').sort(([a], [b]) => (this.#order(a) < this.#order(b) ? -1 : 1));
  }

  perform(act: Act): unknown {
    const { path, to = '', text = '', flag = false } = act;
    switch (act.verb) {
      case 'write':
        return this.#write(path, text);
      case 'append':
        return this.#write(path, typeof this.#get(path) === 'string' ? `${this.#get(path)}${text}` : text);
      case 'create':
        this.#makeParents(path);
        return this.#get(path) === undefined ? this.#write(path, text) : fail('FILE_EXISTS');
      case 'mkdir':
        return this.#mkdir(path, flag);
      case 'remove':
        return this.#remove(path, flag);
      case 'move':
        return this.#move(path, to, flag);
      case 'copy':
        return this.#copy(path, to, flag);
      case 'read':
        return this.#existing(path) ?? fail('IS_DIRECTORY');
      case 'list':
        if (this.#existing(path) !== null) fail('NOT_DIRECTORY');
        return this.content().flatMap(([name]) => (name.startsWith(`${path}/`) ? [name.slice(path.length + 1)] : []));
      default:
        return this.#get(path) !== undefined;
    }
  }

  #order(path: string): string {
    return path.replaceAll('/', '\u0001');
  }

  #get(path: string): Content | undefined {
    return this.#entries.get(path);
  }

  /** The entry; a component on the way that is a file is another error than one that is missing. */
  #existing(path: string): Content {
    const found = this.#get(path);
    if (found !== undefined) return found;
    this.#assertWay(path);
    return fail('FILE_NOT_FOUND');
  }

  #assertWay(path: string): void {
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent))
      if (typeof this.#get(parent) === 'string') fail('NOT_DIRECTORY');
  }

  #makeParents(path: string): void {
    this.#assertWay(path);
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) this.#entries.set(parent, null);
  }

  #write(path: string, text: string): number {
    this.#makeParents(path);
    if (this.#get(path) === null) fail('IS_DIRECTORY');
    this.#entries.set(path, text);
    return Buffer.byteLength(text);
  }

  #mkdir(path: string, withParents: boolean): void {
    if (withParents) this.#makeParents(path);
    else if (this.#get(parentOf(path)) === undefined) this.#existing(parentOf(path));
    this.#assertWay(path);
    const found = this.#get(path);
    if (found !== undefined && !(withParents && found === null)) fail('FILE_EXISTS');
    this.#entries.set(path, null);
  }

  #below(path: string): string[] {
    return [...this.#entries.keys()].filter((name) => name === path || name.startsWith(`${path}/`));
  }

  #remove(path: string, isRecursive: boolean): void {
    if (this.#existing(path) === null && !isRecursive) fail('IS_DIRECTORY');
    for (const name of this.#below(path)) this.#entries.delete(name);
  }

  #move(path: string, to: string, isReplacing: boolean): void {
    // The way to what is moved is looked at first, the way to its place is made, and only then is it looked for.
    if (this.#get(parentOf(path)) === undefined) this.#existing(parentOf(path));
    this.#assertWay(path);
    this.#makeParents(to);
    const from = this.#get(path);
    if (from === undefined) fail('FILE_NOT_FOUND');
    const there = this.#get(to);
    // The kernel's order: what is there already, then what would lie inside itself.
    if (there !== undefined && !isReplacing) fail('FILE_EXISTS');
    if (to.startsWith(`${path}/`)) fail('INVALID_REQUEST');
    if (path.startsWith(`${to}/`)) fail('FILE_EXISTS');
    if (path === to) return;
    if (there !== undefined && from === null && there !== null) fail('NOT_DIRECTORY');
    if (there === null && from !== null) fail('IS_DIRECTORY');
    if (there === null && this.#below(to).length > 1) fail('FILE_EXISTS');
    this.#transfer(path, to);
    for (const name of this.#below(path)) this.#entries.delete(name);
  }

  #copy(path: string, to: string, isReplacing: boolean): void {
    const from = this.#existing(path);
    if (from === null && (to === path || to.startsWith(`${path}/`))) fail('INVALID_REQUEST');
    this.#makeParents(to);
    const there = this.#get(to);
    if (there !== undefined && (!isReplacing || from === null)) fail('FILE_EXISTS');
    if (there === null) fail('IS_DIRECTORY');
    this.#transfer(path, to);
  }

  #transfer(path: string, to: string): void {
    const moved = this.#below(path).map((name): [string, Content] => [to + name.slice(path.length), this.#get(name) ?? null]);
    for (const [name, content] of moved) this.#entries.set(name, content);
  }
}
