// `cloister top`: what sandboxes and host use, drawn anew every few seconds on a terminal; once elsewhere.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { act, printJson } from '../../client/cli/act.ts';
import { bytesText } from '../../client/cli/byte-count.ts';
import type { CliContext } from '../../client/cli/index.ts';
import { formatDuration, parseDuration } from '../../client/cli/duration.ts';
import { formatTable, tableOptionsOf } from '../../client/cli/table.ts';
import type { CliProcess } from './context.ts';
import { daemonFetch, type DaemonTarget } from './daemon-http.ts';

const ENTER_SCREEN = '\u001b[?1049h\u001b[?25l';
const LEAVE_SCREEN = '\u001b[?25h\u001b[?1049l';
/** q, Q and Ctrl-C, which is a key like any other while the terminal is raw. */
const ENDING_KEYS = [0x71, 0x51, 0x03];
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
/** The first figures of a sampler that nobody has looked at say nothing about processors. */
const SECOND_LOOK_MS = 2500;
const SORTS = ['cpu', 'memory', 'pids', 'disk', 'age'] as const;

const Figure = z.number().nullable().optional();
const Overview = z.object({
  sandboxes: z.array(
    z.object({
      id: z.string(),
      tenant: z.string(),
      session: z.string(),
      state: z.string(),
      execs: z.number(),
      createdAt: z.string(),
      usage: z.object({ cpus: Figure, memoryBytes: Figure, pids: Figure, diskBytes: Figure }).nullable(),
    }),
  ),
  host: z.object({ cpuBusy: Figure, memoryUsedBytes: Figure, memoryBytes: Figure, cpus: Figure }).partial().optional(),
  pool: z.object({ maxSessions: z.number(), spares: z.object({ free: z.number(), wanted: z.number() }) }).optional(),
});
type Overview = z.infer<typeof Overview>;

interface TopFlags {
  readonly interval: number;
  readonly once?: boolean;
  readonly tenant?: string;
  readonly sort: string;
}

export function addTopCommand(program: Command, cli: CliProcess, context: CliContext): void {
  program
    .command('top')
    .description('what sandboxes use, live; q ends it')
    .option('--interval <duration>', 'time between two looks', parseDuration, 2000)
    .option('--once', 'one look, as elsewhere than on a terminal')
    .option('--tenant <name>', 'only those of this tenant')
    .option('--sort <by>', SORTS.join(', '), 'cpu')
    .action((flags: TopFlags, command: Command) =>
      act(context, 1, async () => {
        const target: DaemonTarget = command.optsWithGlobals();
        const look = async (signal?: AbortSignal): Promise<Overview> =>
          Overview.parse(await (await daemonFetch(cli, target, '/v1/overview', signal === undefined ? {} : { signal })).json());
        if (context.json || flags.once === true || context.out.isTTY !== true) {
          await look();
          await sleep(SECOND_LOOK_MS);
          const seen = await look();
          if (context.json) printJson(context, seen);
          else context.out.write(drawn(seen, flags, context));
        } else await live(context, flags, look);
        return 0;
      }),
    );
}

async function live(context: CliContext, flags: TopFlags, look: (signal: AbortSignal) => Promise<Overview>): Promise<void> {
  const { out, stdin } = context;
  const stop = new AbortController();
  const off = context.onSignal(() => stop.abort());
  const onKey = (bytes: Uint8Array): void => {
    if (ENDING_KEYS.some((key) => bytes.includes(key))) stop.abort();
  };
  let redraw: () => void = () => undefined;
  const onResize = (): void => redraw();
  if (stdin.isTTY === true) stdin.setRawMode?.(true);
  stdin.on('data', onKey);
  out.on('resize', onResize);
  out.write(ENTER_SCREEN);
  try {
    while (!stop.signal.aborted) {
      const seen = await look(stop.signal);
      redraw = () => {
        const lines = drawn(seen, flags, context)
          .split('\n')
          .slice(0, (out.rows ?? 24) - 1);
        out.write(HOME + lines.map((line) => `${line}${CLEAR_LINE}`).join('\r\n') + CLEAR_BELOW);
      };
      redraw();
      await sleep(flags.interval, undefined, { signal: stop.signal });
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    off();
    stdin.off('data', onKey);
    out.off('resize', onResize);
    if (stdin.isTTY === true) stdin.setRawMode?.(false);
    stdin.pause();
    out.write(LEAVE_SCREEN);
  }
}

function drawn({ sandboxes, host, pool }: Overview, { tenant, sort }: TopFlags, { out }: CliContext): string {
  const now = Date.now();
  const rows = sandboxes
    .filter((each) => tenant === undefined || each.tenant === tenant)
    .map((each) => ({ ...each, ageMs: now - Date.parse(each.createdAt) }))
    .sort((a, b) => weight(b, sort) - weight(a, sort) || a.id.localeCompare(b.id))
    .map(({ id, tenant: owner, session, state, execs, usage, ageMs }) => [
      id,
      owner,
      session,
      state,
      String(execs),
      usage?.cpus === null || usage?.cpus === undefined ? '-' : usage.cpus.toFixed(2),
      bytesText(usage?.memoryBytes),
      usage?.pids === null || usage?.pids === undefined ? '-' : String(usage.pids),
      bytesText(usage?.diskBytes),
      formatDuration(ageMs),
    ]);
  const figures = [
    `${sandboxes.length} sandboxes${pool === undefined ? '' : ` of ${pool.maxSessions}`}`,
    `${sandboxes.reduce((sum, { execs }) => sum + execs, 0)} commands`,
    ...(pool === undefined || pool.spares.wanted === 0 ? [] : [`${pool.spares.free} of ${pool.spares.wanted} spares`]),
    ...(typeof host?.cpuBusy === 'number' ? [`host ${Math.round(host.cpuBusy * 100)} % busy`] : []),
    ...(typeof host?.memoryUsedBytes === 'number' ? [`${bytesText(host.memoryUsedBytes)} of memory in use`] : []),
  ];
  const table = formatTable(
    ['ID', 'TENANT', 'SESSION', 'STATE', 'EXECS', 'CPUS', 'MEMORY', 'PIDS', 'DISK', 'AGE'],
    rows,
    tableOptionsOf(out),
  );
  return `${figures.join(', ').slice(0, out.columns ?? 200)}\n\n${table}`;
}

function weight(each: Overview['sandboxes'][number] & { readonly ageMs: number }, sort: string): number {
  if (sort === 'age') return each.ageMs;
  const { usage } = each;
  return (sort === 'memory' ? usage?.memoryBytes : sort === 'pids' ? usage?.pids : sort === 'disk' ? usage?.diskBytes : usage?.cpus) ?? -1;
}
