// The judge alone, without sockets and names: what a decision costs.

import { performance } from 'node:perf_hooks';
import { parseTunnelTarget } from '../../../daemon/egress/authority.ts';
import { compilePolicy, judgeAddresses, judgeTarget, type OperatorRules } from '../../../daemon/egress/judge.ts';
import { indexPatterns } from '../../../daemon/policy/host-index.ts';
import { compare } from '../harness/comparison.ts';
import type { Workload } from '../harness/workload.ts';

const DECISIONS = 50_000;
const NONE: OperatorRules = { allowPrivate: [], blocked: [], blockedHosts: indexPatterns([]), own: new Set() };

export const egressJudge: Workload = {
  name: 'egress judge',
  unit: 'decisions/s',
  what: 'from the text of a target to its verdict: grammar, a policy of 100 entries, two addresses',
  async run(_stage, { isQuick }) {
    const hosts = Array.from({ length: 100 }, (_, index) => (index % 3 === 0 ? `*.zone${index}.example` : `host${index}.example`));
    const policy = compilePolicy({ mode: 'allowlist', allow: hosts, deny: ['deny.example'], ask: ['ask.example'] });
    const texts = [...hosts.map((host) => host.replace('*', 'a')), 'other.example', 'deny.example', '10.0.0.1'].map(
      (host) => `${host}:443`,
    );
    const sample = async (): Promise<number> => {
      let allowed = 0;
      const startedAt = performance.now();
      for (let done = 0; done < DECISIONS; done += 1) {
        const target = parseTunnelTarget(texts[done % texts.length] ?? '');
        if (judgeTarget(target, policy, NONE).verdict !== 'allow') continue;
        if (judgeAddresses(['93.184.216.34', '2606:2800:220:1::1'], NONE).verdict === 'allow') allowed += 1;
      }
      if (allowed === 0) throw new Error('Cannot count decisions: none was to allow');
      return (DECISIONS * 1000) / (performance.now() - startedAt);
    };
    return compare([{ name: 'cloister', sample }], { warmUp: 2, rounds: isQuick ? 5 : 20 });
  },
};
