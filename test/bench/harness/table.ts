// The run as text: one block per workload, then the figures that must hold. Pure.

import type { Environment } from './environment.ts';
import type { Judgement } from './budgets.ts';
import type { Row, WorkloadResult } from './result.ts';

export function environmentText(environment: Environment): string {
  const { node, kernel, cpu, cpus, engine, engineStorage, cgroup, dockerCli, bubblewrap, load, commit } = environment;
  return [
    `commit ${commit}, node ${node}, kernel ${kernel}, ${cpus} x ${cpu}, load ${load.map((value) => value.toFixed(1)).join(' ')}`,
    `engine ${engine} (${engineStorage}, cgroup ${cgroup}), ${dockerCli}, ${bubblewrap}`,
  ].join('\n');
}

export function resultText(result: WorkloadResult): string {
  const head = ['', 'n', 'median', 'p95', 'p99', 'ours is better by'];
  return `\n${result.workload} (${result.unit}): ${result.what}\n${aligned([head, ...result.rows.map(cells)])}`;
}

export function judgementText(judgements: readonly Judgement[]): string {
  const rows = judgements.map(({ budget, verdict, found, interval }) => [
    verdict === 'noise' ? 'within noise' : verdict,
    budget.workload,
    budget.peer === undefined ? 'ours' : `against ${budget.peer}`,
    bound(budget),
    found === null
      ? 'not measured'
      : `found ${figure(found)}${interval === null ? '' : ` [${figure(interval.low)}, ${figure(interval.high)}]`}`,
    budget.goal === undefined ? '' : `goal ${figure(budget.goal)}`,
  ]);
  return `\nfigures\n${aligned(rows)}`;
}

function bound({ advantageAtLeast, atMost, atLeast, p95AtMost }: Judgement['budget']): string {
  if (p95AtMost !== undefined) return `p95 at most ${figure(p95AtMost)}`;
  if (advantageAtLeast !== undefined) return `at least ${figure(advantageAtLeast)} x`;
  return atMost === undefined ? `at least ${figure(atLeast ?? 0)}` : `at most ${figure(atMost)}`;
}

function cells({ contender, samples, median, p95, p99, advantage }: Row): string[] {
  const better =
    advantage === undefined ? '' : `${figure(advantage.ratio)} x [${figure(advantage.interval.low)}, ${figure(advantage.interval.high)}]`;
  return [contender, String(samples), figure(median), figure(p95), figure(p99), better];
}

function figure(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`.trimEnd(),
    )
    .join('\n');
}
