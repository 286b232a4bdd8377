// The kernel's records of memory kills are read for what they are, and nothing that a tenant or a program can name passes for one.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KernelLog } from '../../../daemon/container/kernel-log.ts';

const CGROUP = '/cloister-1/202ab07c0ece94f4a59d91e6c048b2a3';
const chosen = (pid: number, name = 'python3', cgroup = CGROUP): string =>
  `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=${cgroup},task_memcg=${cgroup},task=${name},pid=${pid},uid=200000`;
const killed = (pid: number, score: number, name = 'python3', prefix = 'Memory cgroup out of memory'): string =>
  `${prefix}: Killed process ${pid} (${name}) total-vm:167468kB, anon-rss:100480kB, file-rss:4424kB, shmem-rss:0kB, UID:200000 pgtables:260kB oom_score_adj:${score}`;

let directory: string;
let log: KernelLog;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cl-kmsg-'));
  await writeFile(join(directory, 'kmsg'), '');
  const opened = KernelLog.open(join(directory, 'kmsg'));
  if (opened === null) throw new Error('the log did not open');
  log = opened;
});
afterEach(async () => {
  log.close();
  await rm(directory, { recursive: true });
});

const take = (...texts: readonly string[]): void => texts.forEach((text, n) => log.take(`6,${n + 1},12291744384,-;${text}\n`));

describe('a record of the kernel', () => {
  test.each<[string, readonly string[], unknown]>([
    [
      'names the cgroup in one line and the score in the next',
      [chosen(22), killed(22, 903)],
      { cgroup: CGROUP, uid: 200_000, oomScoreAdj: 903 },
    ],
    ['says no cgroup where that line was left out', [killed(22, 903)], { cgroup: null, oomScoreAdj: 903 }],
    ['says no cgroup where that line was of another process', [chosen(21), killed(22, 903)], { cgroup: null }],
    ['counts as well when the whole host was short of memory', [killed(22, 900, 'a', 'Out of memory')], { oomScoreAdj: 900 }],
    [
      'keeps its meaning whatever the process is called',
      [chosen(22, 'x,pid=1,uid=0'), killed(22, 901, 'a) UID:1 (b')],
      { cgroup: CGROUP, uid: 200_000, oomScoreAdj: 901 },
    ],
  ])('%s', (_, texts, expected) => {
    take(...texts);
    expect(log.killsAfter(0)).toEqual([expect.objectContaining(expected)]);
    expect(log.killsAfter(texts.length)).toEqual([]);
    expect(log.sequence).toBe(texts.length);
  });

  test.each<[string, string]>([
    ['that a program wrote to the log', `14,1,1,-;${killed(22, 903)}\n`],
    ['whose text only holds such a line', `6,1,1,-;audit: comm="${killed(22, 903)}"\n`],
    ['that goes on after it', `6,1,1,-;${killed(22, 903)} (x)\n`],
    ['in its fields behind the text', `6,1,1,-;usb 1-1: new device\n ${killed(22, 903)}\n`],
    ['that is no record', killed(22, 903)],
  ])('is no kill %s', (_, record) => {
    log.take(record);
    expect(log.killsAfter(0)).toEqual([]);
  });

  test('is not kept for ever', () => {
    for (let n = 1; n <= 1000; n += 1) log.take(`6,${n},1,-;${killed(n, 900)}\n`);
    expect(log.killsAfter(0).length).toBeLessThanOrEqual(256);
    expect(log.killsAfter(999)).toHaveLength(1);
  });
});

test('a log that is not there is none', () => {
  expect(KernelLog.open(join(directory, 'absent'))).toBeNull();
});
