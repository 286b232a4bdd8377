// The console's own files, read once: a page, a program, a style sheet, an icon. They hold nothing secret and need no token;
// everything they show is asked for with one. Owns the headers that keep foreign code out of the page.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RouteAnswer } from './route.ts';

const FILES: Readonly<Record<string, readonly [name: string, contentType: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/console.js': ['console.js', 'text/javascript; charset=utf-8'],
  '/console.css': ['console.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
};

/** No code, style, frame or target but our own; a text can never become markup or code. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
  // Asked for again each time, so that page and program are always of one release; unchanged ones are not sent again.
  'cache-control': 'no-cache',
};

interface ConsoleFile {
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly etag: string;
}

export class ConsoleFiles {
  readonly #files: ReadonlyMap<string, ConsoleFile>;

  private constructor(files: ReadonlyMap<string, ConsoleFile>) {
    this.#files = files;
  }

  /** Reads what the build made; without it nothing is served, and the daemon works all the same. */
  static async load(directory: string): Promise<ConsoleFiles> {
    const files = new Map<string, ConsoleFile>();
    for (const [path, [name, contentType]] of Object.entries(FILES)) {
      const bytes = await readFile(join(directory, name)).catch(() => null);
      if (bytes === null) return new ConsoleFiles(new Map());
      files.set(path, { bytes, contentType, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` });
    }
    return new ConsoleFiles(files);
  }

  /** null: no file of the console. */
  answer(path: string, ifNoneMatch: string | undefined): RouteAnswer | null {
    const file = this.#files.get(path);
    if (file === undefined) return null;
    const headers = { ...HEADERS, 'content-type': file.contentType, etag: file.etag };
    return ifNoneMatch === file.etag ? { status: 304, headers, bytes: Buffer.alloc(0) } : { status: 200, headers, bytes: file.bytes };
  }
}
