// The permission engine alone: what a decision about a command costs, read before or read anew, and the longest it may take.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { PermissionEngine } from '../../../daemon/policy/permission-engine.ts';
import { grantPermissions } from '../../../daemon/policy/permission-policy.ts';
import { BUILT_IN_PROFILES } from '../../../daemon/policy/profiles.ts';
import { HOSTILE_LINES } from '../../support/hostile-lines.ts';
import { compare } from '../harness/comparison.ts';
import type { Workload } from '../harness/workload.ts';

const DECISIONS = 50_000;
const CONTEXT = { cwd: '/workspace', isFed: false, envNames: [] };
const LINE =
  'cd src && npm run build -- --mode production && for f in dist/*.js; do gzip -k "$f"; done; find . -name "*.map" -delete; tar -czf out.tgz dist && echo "built by $USER" >> /tmp/build.log || exit 1 # end';

const granted = () => {
  const profile = BUILT_IN_PROFILES['workspace-write'];
  if (profile === undefined) throw new Error('Cannot decide: the profile is gone');
  const rules = Array.from({ length: 50 }, (_, at) => ({ tool: 'exec', args: { command: `git push *${at}` }, action: 'ask' as const }));
  return grantPermissions(undefined, { name: 'workspace-write', profile }, { rules: [...rules, { preset: 'profile' }], hardFloor: true });
};

export const permissionDecisions: Workload = {
  name: 'permission decisions',
  unit: 'decisions/s',
  what: `about commands of ${LINE.length} characters that were read before, by 50 rules and the floor`,
  async run(_stage, { isQuick }) {
    const engine = new PermissionEngine();
    const permissions = granted();
    const lines = Array.from({ length: 64 }, (_, at) => LINE.replace('out.tgz', `out-${at}.tgz`));
    const sample = async (): Promise<number> => {
      let allowed = 0;
      const startedAt = performance.now();
      for (let done = 0; done < DECISIONS; done += 1)
        if (engine.decideCommand(lines[done % lines.length] ?? '', CONTEXT, permissions).verdict === 'allow') allowed += 1;
      if (allowed !== DECISIONS) throw new Error(`Cannot count decisions: ${allowed} of ${DECISIONS} were to allow`);
      return (DECISIONS * 1000) / (performance.now() - startedAt);
    };
    return compare([{ name: 'cloister', sample }], { warmUp: 2, rounds: isQuick ? 5 : 20 });
  },
};

const WORST = 3;
/** A quick run looks for them among fewer. */
const QUICK_STEP = 10;
const readFirst = promisify(execFile);

/** Milliseconds that a process takes for the first line it reads. */
async function firstLineMs(packageRoot: string, line: string, isWarm: boolean): Promise<number> {
  const program = join(import.meta.dirname, '..', 'first-line.ts');
  const { stdout } = await readFirst(process.execPath, ['--import', 'tsx', program, packageRoot, line, isWarm ? 'warm' : 'cold']);
  return Number(stdout);
}

export const permissionReading: Workload = {
  name: 'permission reading',
  unit: 'ms',
  what: `to read the worst of ${HOSTILE_LINES.size} hostile commands of 100 KiB, each the first that a process reads`,
  async run({ packageRoot }, { isQuick }) {
    const found: { readonly line: string; readonly ms: number }[] = [];
    const lines = [...HOSTILE_LINES.keys()].filter((_, at) => !isQuick || at % QUICK_STEP === 0);
    for (const line of lines) found.push({ line, ms: await firstLineMs(packageRoot, line, true) });
    const worst = found.sort((a, b) => b.ms - a.ms).slice(0, WORST);
    const sample = async (isWarm: boolean): Promise<number> => {
      let ms = 0;
      for (const { line } of worst) ms = Math.max(ms, await firstLineMs(packageRoot, line, isWarm));
      return ms;
    };
    const contenders = [
      { name: 'cloister', sample: () => sample(true) },
      { name: 'without warming up', sample: () => sample(false), perRound: 0.25 },
    ];
    return compare(contenders, { warmUp: 0, rounds: isQuick ? 4 : 20 });
  },
};
