// `npm run bench`: Cloister and its peers side by side on one machine, in one run. Prints tables, writes
// results/latest.json. Options: --quick, --only NAME, --check, --profile DIR (cpu profiles of the daemon).

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Budgets, judge } from './harness/budgets.ts';
import { captureEnvironment } from './harness/environment.ts';
import { toResult, type WorkloadResult } from './harness/result.ts';
import { Scope } from './harness/scope.ts';
import { openStage } from './harness/stage.ts';
import { environmentText, judgementText, resultText } from './harness/table.ts';
import { adapters } from './workloads/adapters.ts';
import { auditAppend, auditVerify } from './workloads/audit.ts';
import { backlog } from './workloads/backlog.ts';
import { coldOpen } from './workloads/cold-open.ts';
import { cycles } from './workloads/cycles.ts';
import { drift } from './workloads/drift.ts';
import { egressJudge } from './workloads/egress-judge.ts';
import { permissionDecisions, permissionReading } from './workloads/permissions.ts';
import { egressRequest } from './workloads/egress-request.ts';
import { egressTunnel, egressTunnels } from './workloads/egress-tunnel.ts';
import { execEcho, execTrue } from './workloads/exec-true.ts';
import { fileReadBig, fileReadSmall, fileWriteBig, fileWriteSmall } from './workloads/files.ts';
import { fileGlob, fileGrep, fileList } from './workloads/files-tree.ts';
import { idleExecs } from './workloads/idle-execs.ts';
import { noisyNeighbours } from './workloads/noisy-neighbour.ts';
import { parallel } from './workloads/parallel.ts';
import { recovery } from './workloads/recovery.ts';
import { passThrough } from './workloads/pass-through.ts';
import { redaction } from './workloads/redaction.ts';
import { slowReader } from './workloads/slow-reader.ts';
import { stream } from './workloads/stream.ts';
import { checkpointedExec, treeUpload, workspaceFork, workspaceSnapshot } from './workloads/workspace.ts';
import { idleSandboxes } from './workloads/idle-sandboxes.ts';
import { burst, openToOutput, warmOpen } from './workloads/warm-open.ts';

const WORKLOADS = [
  execTrue,
  execEcho,
  passThrough,
  adapters,
  coldOpen,
  warmOpen,
  openToOutput,
  burst,
  ...idleSandboxes(),
  cycles,
  recovery,
  parallel,
  drift,
  ...noisyNeighbours(),
  slowReader,
  stream,
  backlog,
  idleExecs,
  redaction,
  auditAppend,
  auditVerify,
  fileWriteSmall,
  fileReadSmall,
  fileWriteBig,
  fileReadBig,
  fileList,
  fileGlob,
  fileGrep,
  egressRequest,
  egressTunnel,
  egressTunnels,
  egressJudge,
  permissionDecisions,
  permissionReading,
  treeUpload,
  checkpointedExec,
  workspaceSnapshot,
  workspaceFork,
];
const PACKAGE_ROOT = join(import.meta.dirname, '..', '..');

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    check: { type: 'boolean' },
    quick: { type: 'boolean' },
    profile: { type: 'string' },
  },
});
const { only, quick: isQuick = false, check: isChecked = false, profile } = options;
const chosen = WORKLOADS.filter(({ name }) => only?.includes(name) ?? true);
const unknown = only?.filter((name) => WORKLOADS.every((workload) => workload.name !== name)) ?? [];
if (unknown.length > 0) {
  process.stderr.write(`No workload is called ${unknown.join(', ')}. There are: ${WORKLOADS.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const scope = new Scope();
let isInterrupted = false;
const leave = (code: number): void => {
  if (isInterrupted) return;
  isInterrupted = true;
  void scope.close().finally(() => process.exit(code));
};
process.on('SIGINT', () => leave(130));
process.on('SIGTERM', () => leave(143));
// What breaks while everything is being taken away must not keep the rest from being taken away.
process.on('uncaughtException', (error) => {
  if (!isInterrupted) process.stderr.write(`${error.stack ?? error.message}\n`);
  leave(1);
});

const results: WorkloadResult[] = [];
let exitCode = 0;
try {
  const profiler = profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-interval', '500', '--cpu-prof-dir', profile];
  const stage = await openStage(PACKAGE_ROOT, scope, profiler);
  const environment = await captureEnvironment(stage.docker, PACKAGE_ROOT);
  say(environmentText(environment));
  for (const workload of chosen) {
    const result = toResult(workload.name, workload.unit, workload.what, await workload.run(stage, { isQuick }));
    results.push(result);
    say(resultText(result));
  }
  const { budgets } = Budgets.parse(JSON.parse(await readFile(join(import.meta.dirname, 'budgets.json'), 'utf8')));
  const judgements = budgets
    .filter((budget) => chosen.some(({ name }) => name === budget.workload))
    .map((budget) => judge(budget, results));
  say(judgementText(judgements));
  const failed = judgements.filter(
    ({ verdict, budget }) => (verdict === 'missed' || verdict === 'absent') && !(isQuick && budget.isAbsolute),
  );
  if (isChecked && failed.length > 0) exitCode = 1;
  const directory = join(import.meta.dirname, 'results');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'latest.json'), `${JSON.stringify({ environment, isQuick, results, judgements }, null, 2)}\n`);
} catch (error) {
  if (!isInterrupted) process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  exitCode = 1;
} finally {
  for (const failure of isInterrupted ? [] : await scope.close()) {
    process.stderr.write(`Not taken away: ${String(failure)}\n`);
    exitCode = 1;
  }
}
if (!isInterrupted) process.exitCode = exitCode;
