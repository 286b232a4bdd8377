// The permission engine alone: what a decision about a command costs, read before or read anew, and the longest it may take.

import { performance } from 'node:perf_hooks';
import { PermissionEngine } from '../../../daemon/policy/permission-engine.ts';
import { grantPermissions } from '../../../daemon/policy/permission-policy.ts';
import { BUILT_IN_PROFILES } from '../../../daemon/policy/profiles.ts';
import { analyze } from '../../../daemon/policy/shell/analyze.ts';
import { compare } from '../harness/comparison.ts';
import type { Workload } from '../harness/workload.ts';

const DECISIONS = 50_000;
const LENGTH = 100 * 1024;
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

const repeat = (text: string): string => text.repeat(Math.ceil(LENGTH / text.length)).slice(0, LENGTH);
const HARD: Readonly<Record<string, string>> = {
  commands: repeat('echo hello world; '),
  words: `echo ${repeat('a ')}`,
  targets: `rm -rf ${repeat('$X/a ')}`,
  substitutions: repeat('$('),
  nested: `${'$('.repeat(LENGTH / 3)}x${')'.repeat(LENGTH / 3)}`,
  backticks: repeat('`'),
  parameters: repeat('${a:-'),
  arithmetic: repeat('$(('),
  documents: repeat('cat <<A;'),
  pipes: repeat('a|'),
  assignments: repeat('a=$a$a;'),
  braces: `echo ${repeat('{a,b}')}`,
  functions: repeat('f() { f; f; }; f; '),
  loops: repeat('for a in 1 2 3 4 5 6 7 8 9; do '),
  wrappers: `${'sudo '.repeat(LENGTH / 5)}x`,
};

export const permissionReading: Workload = {
  name: 'permission reading',
  unit: 'ms',
  what: `to read the worst of ${Object.keys(HARD).length} hostile commands of 100 KiB`,
  async run(_stage, { isQuick }) {
    const sample = async (): Promise<number> => {
      let worst = 0;
      for (const text of Object.values(HARD)) {
        const startedAt = performance.now();
        analyze(text, CONTEXT);
        worst = Math.max(worst, performance.now() - startedAt);
      }
      return worst;
    };
    return compare([{ name: 'cloister', sample }], { warmUp: 2, rounds: isQuick ? 3 : 10 });
  },
};
