// `cloister logs`: what the commands of a sandbox have written, as lines, as a recording, or its calls from the audit log.

import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ExecInfo, Sandbox } from '../../client/index.ts';
import { act, printJson } from '../../client/cli/act.ts';
import type { CliContext } from '../../client/cli/index.ts';
import { asTerminal, castHeader, castLine } from '../../client/cli/cast.ts';
import { escapeText } from '../../client/cli/escape-text.ts';
import { findSandbox } from '../../client/cli/join-session.ts';
import { OutputLines } from '../../client/cli/output-lines.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { SandboxId } from '../../client/protocol/names.ts';
import type { CliProcess } from './context.ts';
import { daemonFetch, type DaemonTarget } from './daemon-http.ts';
import { findRecording, printRecording, type Recorded, writeCast } from './logs-recording.ts';

const LOOK_MS = 500;
const SHORT_ID = 8;
const MAX_ID = 16;
/** No line of the audit log is longer. */
const MAX_RECORD = 256 * 1024;

interface LogsFlags {
  readonly follow?: boolean;
  readonly exec?: string;
  readonly cast?: string;
  readonly jsonl?: boolean;
}

export function addLogsCommand(program: Command, cli: CliProcess, context: CliContext): void {
  program
    .command('logs')
    .description('what the commands of a sandbox have written, as long as it is kept; recorded ones also after its end')
    .argument('<id>', 'sandbox id or session name')
    .option('-f, --follow', 'go on with what comes, until Ctrl-C')
    .option('--exec <id>', 'only of this command')
    .option('--cast <file>', 'write a recording (asciicast v2) instead')
    .option('--jsonl', 'the calls instead, from the audit log, one JSON line each')
    .action((id: string, flags: LogsFlags, command: Command) =>
      act(context, 1, async (cloister) => {
        const target = command.optsWithGlobals<DaemonTarget>();
        const live = await findSandbox(cloister, id).catch(async (error: unknown) => {
          if (!SandboxError.is(error, 'NOT_FOUND') || flags.follow === true) throw error;
          // Its calls, and what was recorded of it, are there after its end as well.
          if (flags.jsonl === true && SandboxId.safeParse(id).success) return null;
          if ((await findRecording(cli, target, id).catch(() => null)) === null) throw error;
          return null;
        });
        const recorded = await recordingFor(cli, target, live?.id ?? id, live !== null, flags);
        const stop = new AbortController();
        const off = context.onSignal(() => stop.abort());
        const reading = recorded === null ? null : { cli, target, recorded, exec: flags.exec, signal: stop.signal };
        try {
          if (flags.jsonl === true) await printCalls(cli, command, live?.id ?? recorded?.sandboxId ?? id, flags, stop.signal);
          else if (reading !== null && flags.cast !== undefined) await writeCast(reading, flags.cast);
          else if (reading !== null && live === null) await printRecording(reading, context);
          else if (live !== null) {
            const { tenant, session } = live;
            const isOperator = cloister.identity.role === 'operator';
            const sandbox = await cloister.open({ session, role: 'observer', ...(isOperator ? { tenant } : {}) });
            if (flags.cast !== undefined) await record(sandbox, flags.cast, flags, stop.signal);
            else await show(sandbox, context, flags, stop.signal);
          }
        } catch (error) {
          if (!stop.signal.aborted) throw error;
        } finally {
          off();
        }
        return 0;
      }),
    );
}

/** Of one that lives only where its times are wanted: what its commands wrote is there. */
async function recordingFor(
  cli: CliProcess,
  target: DaemonTarget,
  id: string,
  isLive: boolean,
  flags: LogsFlags,
): Promise<Recorded | null> {
  if (flags.follow === true || (isLive && flags.cast === undefined)) return null;
  return findRecording(cli, target, id).catch((error: unknown) => {
    if (isLive) return null;
    throw error;
  });
}

/** Each command once, oldest first; with `follow` also those that come. */
async function* commands(sandbox: Sandbox, { follow, exec }: LogsFlags, signal: AbortSignal): AsyncGenerator<ExecInfo> {
  const seen = new Set<string>();
  for (;;) {
    const all = (await sandbox.execs()).sort((a, b) => a.startedAt.localeCompare(b.startedAt));
    for (const info of all) {
      if (seen.has(info.id) || (exec !== undefined && info.id !== exec)) continue;
      seen.add(info.id);
      yield info;
    }
    for (const id of seen) if (all.every((info) => info.id !== id)) seen.delete(id);
    if (follow !== true || signal.aborted) return;
    await sleep(LOOK_MS, undefined, { signal });
  }
}

async function show(sandbox: Sandbox, context: CliContext, flags: LogsFlags, signal: AbortSignal): Promise<void> {
  const all: unknown[] = [];
  const one = async (info: ExecInfo): Promise<void> => {
    const prefix = `[${info.id.length > MAX_ID ? info.id.slice(-SHORT_ID) : info.id}] `;
    const lines = new OutputLines((line) => void context.out.write(`${prefix}${line}\n`));
    const execution = sandbox.attach(info.id, flags.follow === true ? {} : { yieldMs: 0 });
    if (context.json) {
      all.push({ ...info, result: await execution });
      return;
    }
    context.out.write(`${prefix}$ ${commandText(info)}\n`);
    for await (const { bytes } of execution) {
      lines.add(bytes);
      if (context.out.writableNeedDrain) await once(context.out, 'drain', { signal });
    }
    lines.end();
    const { outcome, exitCode, durationMs } = await execution;
    context.out.write(`${prefix}${outcome}${exitCode === null ? '' : ` ${exitCode}`} after ${(durationMs / 1000).toFixed(2)} s\n`);
  };
  const running = new Set<Promise<void>>();
  for await (const info of commands(sandbox, flags, signal)) {
    const shown = one(info);
    if (flags.follow !== true) await shown;
    else {
      running.add(shown);
      // One whose output is gone meanwhile ends no one else's.
      void shown.catch(() => undefined).finally(() => running.delete(shown));
    }
  }
  await Promise.allSettled(running);
  if (context.json) printJson(context, all);
}

/** What has ended has its bytes kept but not their times: they are spread over the time it took. What runs is timed as it comes. */
async function record(sandbox: Sandbox, file: string, flags: LogsFlags, signal: AbortSignal): Promise<void> {
  const out = createWriteStream(file, { mode: 0o600 });
  await once(out, 'open');
  let beganMs: number | null = null;
  const since = (ms: number): number => (ms - (beganMs ?? ms)) / 1000;
  const pieces: { readonly at: number; readonly text: string }[] = [];
  for await (const info of commands(sandbox, flags, signal)) {
    const startedMs = Date.parse(info.startedAt);
    if (beganMs === null) {
      beganMs = startedMs;
      out.write(castHeader({ title: `${sandbox.session} (${sandbox.id})`, startedAtMs: startedMs }));
    }
    const isLive = flags.follow === true && info.state === 'running';
    const execution = sandbox.attach(info.id, flags.follow === true ? {} : { yieldMs: 0 });
    pieces.push({ at: since(startedMs), text: `$ ${commandText(info)}\r\n` });
    const decoder = new TextDecoder();
    const texts: { readonly text: string; readonly at: number }[] = [];
    for await (const { bytes } of execution)
      texts.push({ text: asTerminal(decoder.decode(bytes, { stream: true })), at: since(Date.now()) });
    const seconds = (await execution).durationMs / 1000;
    for (const [index, { text, at }] of texts.entries())
      pieces.push({ text, at: isLive ? at : since(startedMs) + (seconds * (index + 1)) / texts.length });
    for (const piece of pieces.splice(0).sort((a, b) => a.at - b.at)) if (!out.write(castLine(piece))) await once(out, 'drain');
  }
  if (beganMs === null) out.write(castHeader({ title: sandbox.session, startedAtMs: Date.now() }));
  out.end();
  await once(out, 'close');
}

async function printCalls(cli: CliProcess, command: Command, sandbox: string, { follow }: LogsFlags, signal: AbortSignal): Promise<void> {
  const query = new URLSearchParams({ sandbox, ...(follow === true ? { follow: '1' } : {}) });
  const response = await daemonFetch(cli, command.optsWithGlobals(), `/v1/audit?${query.toString()}`, { signal });
  const lines = new OutputLines((line) => void cli.out.write(`${line}\n`), MAX_RECORD);
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) lines.add(part);
}

const commandText = ({ command }: ExecInfo): string => escapeText(typeof command === 'string' ? command : command.join(' '));
