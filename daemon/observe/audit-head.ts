// The signed head of the audit log, in a file of its own: how far the log reaches. A log that ends before it has lost its tail.
// Owns the file, which is one sector and overwritten in place. Knows nothing of records. Whoever puts an old head back together with
// the log of that time is not found out here: for that, heads have to be kept elsewhere as well.

import { type KeyObject, sign, verify } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { z } from 'zod';

/** A disk writes a sector whole or not at all. */
const SECTOR_BYTES = 512;

const AuditHead = z.strictObject({
  seq: z.int().min(0),
  hash: z.string(),
  at: z.string(),
  /** The daemon stopped here: nothing may follow but another daemon's records. */
  isClosed: z.boolean(),
  signature: z.string(),
});
export type AuditHead = z.infer<typeof AuditHead>;

export const headPathOf = (logPath: string): string => `${logPath}.head`;

const textOf = ({ seq, hash, at, isClosed }: Omit<AuditHead, 'signature'>): string =>
  `cloister-audit-head\n${seq}\n${hash}\n${at}\n${isClosed}\n`;

function isHeadGenuine(head: AuditHead, publicKey: KeyObject): boolean {
  return verify(null, Buffer.from(textOf(head)), publicKey, Buffer.from(head.signature, 'base64'));
}

/** null: there is no file. */
export async function readHead(path: string, publicKey: KeyObject): Promise<AuditHead | null | 'forged'> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const head = parse(bytes.toString('utf8'));
  return head !== null && isHeadGenuine(head, publicKey) ? head : 'forged';
}

function parse(text: string): AuditHead | null {
  try {
    const parsed = AuditHead.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

export class AuditHeadFile {
  readonly #path: string;
  readonly #key: KeyObject;
  #file: Awaited<ReturnType<typeof open>> | null = null;

  constructor(path: string, privateKey: KeyObject) {
    this.#path = path;
    this.#key = privateKey;
  }

  /** Durable when it resolves. One call at a time. */
  async write(head: Omit<AuditHead, 'signature'>): Promise<void> {
    this.#file ??= await openForWriting(this.#path);
    const signature = sign(null, Buffer.from(textOf(head)), this.#key).toString('base64');
    const text = JSON.stringify({ ...head, signature } satisfies AuditHead).padEnd(SECTOR_BYTES - 1);
    await this.#file.write(Buffer.from(`${text}\n`), 0, SECTOR_BYTES, 0);
    await this.#file.datasync();
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
  }
}

async function openForWriting(path: string): Promise<Awaited<ReturnType<typeof open>>> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return await open(path, 'wx+', 0o600);
  }
}
