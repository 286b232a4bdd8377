// What a tenant does to the processes that watch over his command does not lengthen its life: of many ends, 99 in 100
// leave nothing a second after the grace period.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { InitPeer } from '../support/init-peer.ts';

const GRACE_MS = 100;
const WALL_MS = 200;
const RESIDUAL_MS = 1000;
const ROUNDS = 8;

/** Each goes on for ever but for what is done about it. */
const COMMANDS: Readonly<Record<string, string>> = {
  'kills everything': 'setsid sleep 600 & kill -9 -1; sleep 600',
  'stops everything': 'kill -STOP -1; sleep 600',
  'stops and continues its supervisor': 'kill -STOP $PPID; kill -CONT $PPID; sleep 600',
  'kills its supervisor and runs away': '(setsid sleep 600 &); kill -9 $PPID; while :; do :; done',
  'kills worker and relay again and again': 'while :; do for p in $(seq 2 40); do kill -9 $p 2>/dev/null; done; done',
  'stops itself': 'trap "" TERM; kill -STOP $$',
  'ignores SIGTERM through two forks and a session':
    '(setsid sh -c "trap \\"\\" TERM; sleep 600; sleep 600" &); trap "" TERM; sleep 600; sleep 600',
  'holds its output': '(trap "" TERM; sleep 600; sleep 600) & trap "" TERM; wait; wait',
};

let peer: InitPeer;
beforeAll(async () => {
  peer = await InitPeer.start();
});
afterAll(() => peer[Symbol.asyncDispose]());

it('whatever he kills or stops', async () => {
  const residual: { readonly command: string; readonly ms: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [command, script] of Object.entries(COMMANDS)) {
      const at = performance.now();
      const exec = peer.exec(script, { wallMs: WALL_MS, graceMs: GRACE_MS });
      const report = await exec.end();
      residual.push({ command, ms: performance.now() - at - WALL_MS - GRACE_MS });
      expect(['wall', 'supervisorLost'], command).toContain(report.reason);
      expect(report, command).toMatchObject({ lingering: 0 });
      expect(exec.exits, command).toBe(1);
    }
  }
  const slowest = residual.toSorted((a, b) => b.ms - a.ms);
  const allowed = Math.floor(residual.length / 100);
  expect(slowest[allowed]?.ms, JSON.stringify(slowest.slice(0, 3))).toBeLessThan(RESIDUAL_MS);
  const alive = peer.exec(['echo', 'alive']);
  expect((await alive.end()).code).toBe(0);
}, 120_000);
