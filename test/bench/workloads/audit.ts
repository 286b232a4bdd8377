// The audit log: what a record adds to a command, and how fast a log is checked.

import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { mkdtemp } from 'node:fs/promises';
import { AuditLog } from '../../../daemon/observe/audit-log.ts';
import { verifyAuditLog } from '../../../daemon/observe/audit-verify.ts';
import { systemClock } from '../../../daemon/observe/clock.ts';
import { compare } from '../harness/comparison.ts';
import type { Stage } from '../harness/stage.ts';
import type { Workload } from '../harness/workload.ts';

const KEYS = generateKeyPairSync('ed25519');
const IDENTITY = {
  tenant: 'acme',
  session: 'build-42',
  labels: { agent: 'agent-1', channel: 'canary' },
  image: `sha256:${'a'.repeat(64)}`,
  profile: 'workspace-write',
  policySha256: 'b'.repeat(64),
  seccompSha256: 'c'.repeat(64),
  daemonVersion: '0.1.0',
};

async function open(stage: Stage): Promise<AuditLog> {
  return AuditLog.open({
    path: join(await mkdtemp(join(stage.directory, 'audit-')), 'audit.jsonl'),
    clock: systemClock,
    keys: KEYS,
    rotateBytes: 64 * 1024 * 1024,
    fsync: 'group',
    onFull: 'stop',
    identify: () => IDENTITY,
    onError: (error) => {
      throw error;
    },
  });
}

const append = (log: AuditLog, turn: number): void =>
  log.append({
    kind: 'exec.start',
    sandboxId: 'sb_aaaaaaaaaaaaaaaaaaaa',
    execId: `e${turn}`,
    tokenId: 't',
    command: 'npm test -- --run',
    cwd: '',
    envNames: [],
  });

export const auditAppend: Workload = {
  name: 'audit append',
  unit: 'ms',
  what: 'two records, as a command has them, with group commit to disk going on',
  async run(stage, { isQuick }) {
    const log = await open(stage);
    let turn = 0;
    const sample = async (): Promise<number> => {
      const started = performance.now();
      append(log, (turn += 1));
      append(log, (turn += 1));
      const ms = performance.now() - started;
      // Commands come one after the other, and the commit of one is under way while the next one comes.
      await new Promise(setImmediate);
      return ms;
    };
    const samples = await compare([{ name: 'cloister', sample }], isQuick ? { warmUp: 100, rounds: 500 } : { warmUp: 500, rounds: 5000 });
    await log.close();
    return samples;
  },
};

export const auditVerify: Workload = {
  name: 'audit verify',
  unit: 'records/s',
  what: 'checking every hash of a log and its signed head',
  async run(stage, { isQuick }) {
    const log = await open(stage);
    const records = isQuick ? 50_000 : 200_000;
    for (let turn = 0; turn < records; turn += 1) append(log, turn);
    await log.close();
    const sample = async (): Promise<number> => {
      const started = performance.now();
      const { verdict } = await verifyAuditLog(log.path, KEYS.publicKey);
      if (verdict !== 'holds') throw new Error('Cannot measure: the chain does not hold');
      return records / ((performance.now() - started) / 1000);
    };
    return await compare([{ name: 'cloister', sample }], isQuick ? { warmUp: 1, rounds: 3 } : { warmUp: 2, rounds: 10 });
  },
};
