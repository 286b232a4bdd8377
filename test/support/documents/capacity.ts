// The figures of docs/capacity.md: what was measured on one machine, and what the simulator found of a fleet.

import { z } from 'zod';
import { withPart } from './marked-part.ts';

export const KEPT_WORKLOADS = [
  'exec true',
  'cold open',
  'warm open',
  'idle memory',
  'idle daemon memory',
  'idle cpu',
  'parallel',
  'stream',
  'file write 1 GiB',
  'file read 1 GiB',
  'egress tunnel',
  'recovery',
] as const;
type KeptWorkload = (typeof KEPT_WORKLOADS)[number];

export const BenchResults = z.object({
  environment: z.object({
    at: z.string(),
    kernel: z.string(),
    cpus: z.int(),
    memoryBytes: z.int(),
    node: z.string(),
    engine: z.string(),
    commit: z.string(),
  }),
  isQuick: z.boolean(),
  results: z.array(
    z.object({
      workload: z.string(),
      unit: z.string(),
      rows: z.array(z.object({ contender: z.string(), samples: z.int(), median: z.number(), p95: z.number() })),
    }),
  ),
});
export type BenchResults = z.infer<typeof BenchResults>;

const LoadFigures = z.object({
  mean: z.number(),
  median: z.number(),
  p99: z.number(),
  max: z.number(),
  imbalance: z.number(),
  empty: z.number(),
});
export const Simulated = z.object({
  options: z.object({
    members: z.int(),
    sessions: z.int(),
    tenants: z.int(),
    maxSessions: z.int(),
    lost: z.int(),
    sessionLifeS: z.number(),
    heartbeatS: z.number(),
    seed: z.int(),
  }),
  figures: z.object({
    placed: z.int(),
    chosenAgain: z.int(),
    refused: z.int(),
    load: LoadFigures,
    membersOfTenant: z.object({ median: z.int(), max: z.int() }),
    loss: z.object({ moved: z.int(), movedOfOthers: z.int(), tenantsTouched: z.int(), load: LoadFigures }),
    redisPerSecond: z.object({
      heartbeats: z.number(),
      opens: z.number(),
      closes: z.number(),
      memberLists: z.number(),
      refreshes: z.number(),
      total: z.number(),
      recordsListed: z.number(),
    }),
  }),
});
type Simulated = z.infer<typeof Simulated>;

const MEASURED = { begin: '<!-- measured: written by npm run docs -->', end: '<!-- end of measured -->' };
const FLEET = { begin: '<!-- simulated: written by npm run docs -->', end: '<!-- end of simulated -->' };
/** That many were open while the benchmark measured idle ones. */
const IDLE_SANDBOXES = 300;
const EXAMPLE_SANDBOXES = 500;

const table = (head: string, rows: readonly (readonly string[])[]): string =>
  [`| ${head} |`, `|${'---|'.repeat(head.split('|').length)}`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');
const number = (value: number, digits = 0): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (part: number, whole: number): string => `${number((100 * part) / whole, 1)} %`;

export function renderCapacity(text: string, bench: BenchResults, simulated: Simulated): string {
  return withPart(withPart(text, MEASURED, measuredText(bench)), FLEET, simulatedText(simulated));
}

function measuredText({ environment, results }: BenchResults): string {
  const of = (name: KeptWorkload): number => {
    const row = results.find(({ workload }) => workload === name)?.rows[0];
    if (row === undefined) throw new Error(`Cannot write docs/capacity.md: ${name} was not measured`);
    return row.median;
  };
  const { at, kernel, cpus, memoryBytes, node, engine, commit } = environment;
  const idleMib = of('idle memory');
  const rows = [
    ['a sandbox that idles', `${number(idleMib, 1)} MiB of the host, of it ${number(of('idle daemon memory'), 2)} MiB of the daemon`],
    [
      `${EXAMPLE_SANDBOXES} that idle`,
      `${number((EXAMPLE_SANDBOXES * idleMib) / 1024, 1)} GiB, and ${number((of('idle cpu') * EXAMPLE_SANDBOXES) / IDLE_SANDBOXES, 1)} % of one processor`,
    ],
    ['opening one', `${number(of('cold open'))} ms; ${number(of('warm open'))} ms with a spare (\`pool.warm\`)`],
    ['a command (`true`)', `${number(of('exec true'), 1)} ms from the call to the exit code`],
    [
      'commands of 8 sandboxes at once',
      `${number(of('parallel'))} in a second, so ${number((1000 * cpus) / of('parallel'), 1)} ms of a processor each`,
    ],
    ['a GB of output', `${number(1000 / of('stream'), 1)} s (${number(of('stream'))} MB/s)`],
    ['a GB written or read as a file', `${number(1000 / of('file write 1 GiB'), 1)} s, ${number(1000 / of('file read 1 GiB'), 1)} s`],
    ['a GB through the egress proxy', `${number(1000 / of('egress tunnel'), 1)} s`],
    ['a daemon that starts again with 100 sandboxes', `${number(of('recovery') / 1000, 1)} s`],
  ];
  const machine = `${cpus} processors, ${number(memoryBytes / 1024 ** 3)} GiB, Linux ${kernel.split('-')[0]}, Docker ${engine}, Node ${node}`;
  return `Medians of one run of the benchmark (${at.slice(0, 10)}, commit ${commit}) on ${machine}.\n\n${table('what | costs', rows)}`;
}

function simulatedText({ options, figures }: Simulated): string {
  const { load, loss, redisPerSecond: redis } = figures;
  const { members, sessions, tenants, lost } = options;
  const rows = [
    ['sessions on a member', `${number(load.mean)} on average; median ${load.median}, 99th percentile ${load.p99}, most ${load.max}`],
    ['imbalance (most over average)', number(load.imbalance, 2)],
    ['members without a session', `${number(load.empty)} (${percent(load.empty, members)})`],
    [
      'members that one tenant is on',
      `median ${figures.membersOfTenant.median}, the largest tenant ${number(figures.membersOfTenant.max)}`,
    ],
    [
      'placed a second time, since the member had filled up meanwhile',
      `${number(figures.chosenAgain)} (${percent(figures.chosenAgain, sessions)})`,
    ],
    ['refused for want of room', number(figures.refused)],
    [
      `sessions that move when ${number(lost)} members (${percent(lost, members)}) are lost`,
      `${number(loss.moved)} (${percent(loss.moved, sessions)}): those that were on them, and ${number(loss.movedOfOthers)} others`,
    ],
    ['tenants of whose nearest members one was among them', `${number(loss.tenantsTouched)} of ${number(tenants)}`],
    ['imbalance afterwards', number(loss.load.imbalance, 2)],
    [
      'scripts that Redis runs in a second',
      `${number(redis.total)}: ${number(redis.heartbeats)} heartbeats, ${number(redis.opens)} for opens, ${number(redis.closes)} for closes, ${number(redis.refreshes)} refreshes, ${number(redis.memberLists)} lists of members`,
    ],
    ['entries in those lists, in a second', number(redis.recordsListed)],
  ];
  const life = `a session lives ${number(options.sessionLifeS / 60)} minutes on average, a member takes ${options.maxSessions}`;
  const what = `${number(members)} members, ${number(sessions)} sessions of ${number(tenants)} tenants, of which the n-th has 1/n of the first's share; ${life}; heartbeats every ${options.heartbeatS} s; seed ${options.seed}.`;
  return `${what}\n\n${table('what | figure', rows)}`;
}
