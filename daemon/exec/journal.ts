// What a sandbox's commands were meant to do and how they ended, one JSON line each, so that a killed daemon loses and
// doubles nothing. Owns the file; knows nothing of links or spools. Writes are plain appends: they survive the
// daemon's death; a host's death ends every command anyway.

import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { Command, ExecResult } from '../../client/protocol/exec.ts';
import { ExecId } from '../../client/protocol/names.ts';
import { SandboxError } from '../../client/protocol/errors.ts';

const MAX_BYTES = 64 * 1024 * 1024;
const Number32 = z.int().min(1).max(0xffff_ffff);

const StartEntry = z.strictObject({
  t: z.literal('start'),
  number: Number32,
  execId: ExecId,
  at: z.int(),
  digest: z.string().max(64),
  command: Command,
  hasStdin: z.boolean(),
  hasPty: z.boolean(),
  background: z.boolean(),
  outputBytes: z.int().optional(),
  outputPolicy: z.enum(['drop', 'stop']),
  labels: z.record(z.string(), z.string()).optional(),
  /** Which values were kept out of its output from the start. */
  secretsGeneration: z.int().optional(),
  oomKills: z.int().nullable(),
  forksRefused: z.int().nullable().optional(),
  /** oom_score_adj of its tree. */
  oomScore: z.int().optional(),
});
const KillEntry = z.strictObject({ t: z.literal('kill'), number: Number32, by: z.string(), signal: z.int() });
const EndEntry = z.strictObject({
  t: z.literal('end'),
  number: Number32,
  at: z.int(),
  /** Its stdout and stderr are empty here: they come from `output` or from the text file. */
  result: ExecResult.nullable(),
  /** Of a command that was refused. */
  error: z.string().optional(),
  /** Small output as records, base64. */
  output: z.string().optional(),
});
/** The highest number ever used, when the entries that would tell are gone. */
const MarkEntry = z.strictObject({ t: z.literal('mark'), number: z.int().min(0).max(0xffff_ffff) });
const Entry = z.discriminatedUnion('t', [StartEntry, KillEntry, EndEntry, MarkEntry]);

export type StartEntry = z.infer<typeof StartEntry>;
export type KillEntry = z.infer<typeof KillEntry>;
export type EndEntry = z.infer<typeof EndEntry>;
export type JournalEntry = z.infer<typeof Entry>;

export class ExecJournal {
  readonly #path: string;
  #file: number | null = null;
  #isRemoved = false;
  /** Lines since the file was last written as a whole. */
  appended = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Everything an earlier daemon wrote. A torn last line is what a crash leaves; any other bad line is INTERNAL. */
  async read(): Promise<JournalEntry[]> {
    // Of a rewriting that a crash cut short.
    rmSync(this.#temporary, { force: true });
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    if (text.length > MAX_BYTES) throw this.#unreadable('it is larger than 64 MiB');
    const lines = text.split('\n');
    const torn = lines.pop() ?? '';
    const entries = lines.map((line, index) => this.#parse(line, index + 1));
    // The next append would otherwise continue the torn line.
    if (torn !== '') this.rewrite(entries);
    return entries;
  }

  /** In the kernel's hands when it returns. After `remove` there is nobody whom it would tell anything, and nothing is written. */
  append(entry: JournalEntry): void {
    if (this.#isRemoved) return;
    if (this.#file === null) {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      this.#file = openSync(this.#path, 'a', 0o600);
    }
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    const written = writeSync(this.#file, line);
    this.appended += 1;
    if (written < line.length) throw new SandboxError('CAPACITY', 'Cannot journal the command: the disk of the state directory is full');
  }

  /** Replaces the file by these entries. */
  rewrite(entries: readonly JournalEntry[]): void {
    if (this.#isRemoved) return;
    this.close();
    writeFileSync(this.#temporary, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''), { mode: 0o600 });
    renameSync(this.#temporary, this.#path);
    this.appended = 0;
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  /** For good: a late end or kill does not bring it back. */
  remove(): void {
    this.#isRemoved = true;
    this.close();
    rmSync(this.#path, { force: true });
    rmSync(this.#temporary, { force: true });
  }

  get #temporary(): string {
    return `${this.#path}.tmp`;
  }

  #parse(line: string, number: number): JournalEntry {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw this.#unreadable(`line ${number} is not JSON`);
    }
    const parsed = Entry.safeParse(value);
    if (!parsed.success) throw this.#unreadable(`line ${number}: ${parsed.error.issues[0]?.message ?? 'does not fit its schema'}`);
    return parsed.data;
  }

  #unreadable(cause: string): SandboxError {
    return new SandboxError('INTERNAL', `Cannot read exec journal ${this.#path}: ${cause}`, {
      hint: 'Move the file aside; its commands are then unknown.',
    });
  }
}
