// All recordings of the daemon, where the operator wants them: begun with a session's first command, fed with what is kept of the output,
// readable also after the session. Owns the directory, its bounds and how long a recording stays.

import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SandboxId } from '../../client/protocol/names.ts';
import type { OutputStream } from '../link/messages.ts';
import type { AuditEntry } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import { Recording, segmentName } from './recording.ts';
import { type KeptRecording, linesOf, readKept } from './recording-files.ts';
import { commandOf, parseEvent, type RecordingEvent, type RecordingHeader } from './recording-format.ts';

/** However small they are. */
const MAX_RECORDINGS = 10_000;
const SWEEP_MS = 3_600_000;

/** Records of the audit log that a recording is made of. */
const Called = z.looseObject({
  sandboxId: SandboxId,
  tenant: z.string().max(64),
  session: z.string().max(64),
  execId: z.string().max(64).default(''),
  profile: z.string().optional(),
  command: z.unknown().optional(),
  outcome: z.string().catch(''),
  exitCode: z.int().nullable().catch(null),
});

export interface RecordingsOptions {
  readonly directory: string;
  /** Of one recording; 0: nothing new is recorded. */
  readonly maxBytes: number;
  /** Of all of them. */
  readonly totalBytes: number;
  readonly retainMs: number;
  /** Profiles whose sessions are recorded; empty: all. */
  readonly profiles: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

export interface RecordingInfo {
  readonly sandboxId: string;
  readonly tenant: string;
  readonly session: string;
  readonly startedAt: string;
  readonly bytes: number;
  readonly isLive: boolean;
}

export class Recordings {
  readonly #options: RecordingsOptions;
  readonly #live = new Map<string, Recording>();
  readonly #kept: Map<string, KeptRecording>;
  #cancelSweep: () => void = () => undefined;

  private constructor(options: RecordingsOptions, kept: Map<string, KeptRecording>) {
    this.#options = options;
    this.#kept = kept;
  }

  static async open(options: RecordingsOptions): Promise<Recordings> {
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    await chmod(options.directory, 0o700);
    const recordings = new Recordings(options, await readKept(options));
    recordings.#sweep();
    return recordings;
  }

  /** What the audit log is told; everything but commands and ends of sandboxes is passed over. */
  told(entry: AuditEntry): void {
    const { kind } = entry;
    if (kind !== 'exec.start' && kind !== 'exec.end' && kind !== 'sandbox.close') return;
    const called = Called.safeParse(entry);
    if (!called.success) return;
    const { sandboxId, execId, command, outcome, exitCode } = called.data;
    const at = this.#options.clock.now();
    if (kind === 'exec.start') this.#recordingFor(called.data)?.add({ t: 'start', at, exec: execId, command: commandOf(command) });
    else if (kind === 'exec.end') this.#live.get(sandboxId)?.add({ t: 'end', at, exec: execId, outcome, exitCode });
    else void this.#end(sandboxId, at);
  }

  /** What is kept of a command's output, so without values of secrets. */
  output(sandboxId: string, execId: string, stream: OutputStream, bytes: Buffer): void {
    const at = this.#options.clock.now();
    const recording = this.#live.get(sandboxId) ?? this.#resumed(sandboxId);
    recording?.add({ t: 'out', at, exec: execId, s: stream, d: bytes.toString('base64') });
  }

  list(): RecordingInfo[] {
    const of = ({ header, segments }: Pick<KeptRecording, 'header' | 'segments'>, isLive: boolean): RecordingInfo => ({
      sandboxId: header.sandboxId,
      tenant: header.tenant,
      session: header.session,
      startedAt: new Date(header.startedAtMs).toISOString(),
      bytes: sumOf(segments),
      isLive,
    });
    return [...[...this.#kept.values()].map((kept) => of(kept, false)), ...[...this.#live.values()].map((live) => of(live, true))];
  }

  /** What happened, in order, up to now. */
  async *read(sandboxId: string): AsyncGenerator<RecordingEvent, void, undefined> {
    const live = this.#live.get(sandboxId);
    await live?.flush();
    const segments = live?.segments ?? this.#kept.get(sandboxId)?.segments ?? new Map<number, number>();
    for (const [segment, bytes] of [...segments]) {
      if (bytes === 0) continue;
      const path = join(this.#options.directory, segmentName(sandboxId, segment));
      // No further than it was written when it was asked for: the last line is whole, unless a crash has torn it.
      for await (const line of linesOf(path, bytes)) {
        const event = parseEvent(line);
        if (event !== null) yield event;
      }
    }
  }

  async stop(): Promise<void> {
    this.#cancelSweep();
    await Promise.all([...this.#live.values()].map((recording) => recording.flush()));
  }

  #recordingFor({ sandboxId, tenant, session, profile }: z.output<typeof Called>): Recording | null {
    const { maxBytes, profiles, clock } = this.#options;
    const known = this.#live.get(sandboxId);
    if (known !== undefined) return known;
    if (maxBytes === 0 || (profiles.length > 0 && !profiles.includes(profile ?? ''))) return null;
    return this.#resumed(sandboxId) ?? this.#begin({ version: 1, sandboxId, tenant, session, startedAtMs: clock.now() }, new Map());
  }

  /** One that an earlier daemon began, of a sandbox that lives on. */
  #resumed(sandboxId: string): Recording | null {
    const kept = this.#options.maxBytes === 0 ? undefined : this.#kept.get(sandboxId);
    return kept === undefined ? null : this.#begin(kept.header, kept.segments);
  }

  #begin(header: RecordingHeader, segments: ReadonlyMap<number, number>): Recording {
    const { log, directory, maxBytes, clock } = this.#options;
    const { sandboxId } = header;
    const recording = new Recording({
      ...{ directory, header, maxBytes, segments, clock },
      hasRoom: (bytes) => this.#makeRoom(bytes),
      onError: (error) => log.error({ sandboxId, err: error }, 'recording not written'),
    });
    this.#kept.delete(sandboxId);
    this.#live.set(sandboxId, recording);
    return recording;
  }

  async #end(sandboxId: string, at: number): Promise<void> {
    const recording = this.#live.get(sandboxId);
    if (recording === undefined) return;
    recording.add({ t: 'close', at });
    await recording.flush();
    if (this.#live.get(sandboxId) !== recording) return;
    this.#live.delete(sandboxId);
    this.#kept.set(sandboxId, { header: recording.header, segments: recording.segments, lastWrittenMs: at });
  }

  /** The oldest of those that nobody writes to give way. */
  #makeRoom(bytes: number): boolean {
    const { totalBytes } = this.#options;
    const used = (): number => [...this.#kept.values(), ...this.#live.values()].reduce((sum, { segments }) => sum + sumOf(segments), 0);
    let excess = used() + bytes - totalBytes;
    if (excess <= 0) return true;
    for (const [id, { segments }] of this.#oldestFirst()) {
      this.#remove(id);
      excess -= sumOf(segments);
      if (excess <= 0) return true;
    }
    return false;
  }

  #oldestFirst(): [string, KeptRecording][] {
    return [...this.#kept].sort(([, a], [, b]) => a.lastWrittenMs - b.lastWrittenMs);
  }

  #remove(sandboxId: string): void {
    const kept = this.#kept.get(sandboxId);
    this.#kept.delete(sandboxId);
    for (const segment of kept?.segments.keys() ?? [])
      void rm(join(this.#options.directory, segmentName(sandboxId, segment)), { force: true }).catch((error: unknown) =>
        this.#options.log.error({ sandboxId, err: error }, 'recording not removed'),
      );
  }

  #sweep(): void {
    const { clock, retainMs } = this.#options;
    const oldest = this.#oldestFirst();
    const overMany = Math.max(0, oldest.length - MAX_RECORDINGS);
    for (const [index, [id, { lastWrittenMs }]] of oldest.entries())
      if (index < overMany || clock.now() - lastWrittenMs > retainMs) this.#remove(id);
    this.#cancelSweep = clock.after(SWEEP_MS, () => this.#sweep());
  }
}

const sumOf = (segments: ReadonlyMap<number, number>): number => [...segments.values()].reduce((sum, bytes) => sum + bytes, 0);
