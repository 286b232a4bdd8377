// A recording that the daemon keeps, read for `cloister logs`: also of a session that has ended.

import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { StringDecoder } from 'node:string_decoder';
import { z } from 'zod';
import { asTerminal, castHeader, castLine } from '../../client/cli/cast.ts';
import type { CliContext } from '../../client/cli/index.ts';
import { escapeText } from '../../client/cli/escape-text.ts';
import { OutputLines } from '../../client/cli/output-lines.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { parseEvent, type RecordingEvent } from '../exec/recording-format.ts';
import type { CliProcess } from './context.ts';
import { daemonFetch, type DaemonTarget } from './daemon-http.ts';

const Listed = z.object({
  recordings: z.array(z.object({ sandboxId: z.string(), tenant: z.string(), session: z.string(), startedAt: z.string() })),
});
export type Recorded = z.output<typeof Listed>['recordings'][number];

/** An event is at most a piece of output as base64. */
const MAX_EVENT_CHARS = 2 * 1024 * 1024;
const SHORT_ID = 8;

/** By sandbox id, or the latest of a session's name; null: there is none. */
export async function findRecording(cli: CliProcess, target: DaemonTarget, id: string): Promise<Recorded | null> {
  const { recordings } = Listed.parse(await (await daemonFetch(cli, target, '/v1/recordings')).json());
  const found = recordings.filter(({ sandboxId, session }) => sandboxId === id || session === id);
  if (new Set(found.map(({ tenant }) => tenant)).size > 1)
    throw new SandboxError('INVALID_REQUEST', `Cannot tell which session ${id} is meant: several tenants have recordings of one`, {
      hint: 'Name it by its sandbox id.',
    });
  return found.sort((a, b) => a.startedAt.localeCompare(b.startedAt)).at(-1) ?? null;
}

export interface ReadOptions {
  readonly cli: CliProcess;
  readonly target: DaemonTarget;
  readonly recorded: Recorded;
  /** Only this command. */
  readonly exec: string | undefined;
  readonly signal: AbortSignal;
}

export async function writeCast(options: ReadOptions, file: string): Promise<void> {
  const { recorded } = options;
  const out = createWriteStream(file, { mode: 0o600 });
  await once(out, 'open');
  const decoders = new Map<string, StringDecoder>();
  let beganMs: number | null = null;
  let latest = 0;
  for await (const event of eventsOf(options)) {
    if (beganMs === null) {
      beganMs = event.at;
      out.write(castHeader({ title: `${recorded.session} (${recorded.sandboxId})`, startedAtMs: beganMs }));
    }
    const text = textOf(event, decoders);
    // A clock that was set back does not turn the recording back.
    latest = Math.max(latest, (event.at - beganMs) / 1000);
    if (text !== '' && !out.write(castLine({ at: latest, text }))) await once(out, 'drain');
  }
  if (beganMs === null) out.write(castHeader({ title: recorded.session, startedAtMs: Date.parse(recorded.startedAt) }));
  out.end();
  await once(out, 'close');
}

export async function printRecording(options: ReadOptions, context: CliContext): Promise<void> {
  const lines = new Map<string, OutputLines>();
  for await (const event of eventsOf(options)) {
    if (!('exec' in event)) continue;
    const { exec } = event;
    const prefix = `[${exec.slice(-SHORT_ID)}] `;
    if (event.t === 'start') context.out.write(`${prefix}$ ${escapeText(event.command)}\n`);
    if (event.t === 'out') {
      const written = lines.get(exec) ?? new OutputLines((line) => void context.out.write(`${prefix}${line}\n`));
      lines.set(exec, written);
      written.add(Buffer.from(event.d, 'base64'));
    }
    if (event.t === 'end') {
      lines.get(exec)?.end();
      lines.delete(exec);
      context.out.write(`${prefix}${escapeText(event.outcome)}${event.exitCode === null ? '' : ` ${event.exitCode}`}\n`);
    }
    if (context.out.writableNeedDrain) await once(context.out, 'drain', { signal: options.signal });
  }
  for (const written of lines.values()) written.end();
}

/** What is kept of one command at a time is text of its own: pieces may be cut within a character. */
function textOf(event: RecordingEvent, decoders: Map<string, StringDecoder>): string {
  if (event.t === 'start') return `$ ${escapeText(event.command)}\r\n`;
  if (event.t === 'dropped') return `[${event.bytes} bytes were not recorded]\r\n`;
  if (event.t === 'end') decoders.delete(event.exec);
  if (event.t !== 'out') return '';
  const decoder = decoders.get(event.exec) ?? new StringDecoder('utf8');
  decoders.set(event.exec, decoder);
  return asTerminal(decoder.write(Buffer.from(event.d, 'base64')));
}

async function* eventsOf({ cli, target, recorded, exec, signal }: ReadOptions): AsyncGenerator<RecordingEvent, void, undefined> {
  const response = await daemonFetch(cli, target, `/v1/recordings/${recorded.sandboxId}`, { signal });
  const decoder = new TextDecoder();
  let rest = '';
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(part, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_EVENT_CHARS) throw new SandboxError('INTERNAL', 'Cannot read the recording: a line is too long');
    for (const line of lines) {
      const event = parseEvent(line);
      if (event !== null && (exec === undefined || !('exec' in event) || event.exec === exec)) yield event;
    }
  }
}
