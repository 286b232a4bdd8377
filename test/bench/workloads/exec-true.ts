// The shortest command, and the same with output: what a command costs beside the command.

import type { ExecResult, Sandbox } from 'cloister';
import { type Contender, compare } from '../harness/comparison.ts';
import type { Workload } from '../harness/workload.ts';
import { bubblewrap } from '../peers/bubblewrap.ts';
import { runDocker } from '../peers/docker-cli.ts';
import { dockerodeExec } from '../peers/dockerode-exec.ts';
import { SameHops } from '../peers/same-hops.ts';
import { SpawnerClient, startSpawner } from '../peers/spawner.ts';

const ECHO = ['echo', 'hello from the sandbox'];

export const execTrue: Workload = {
  name: 'exec true',
  unit: 'ms',
  what: '`true` in a container that runs, from the call to the exit code',
  async run(stage, { isQuick }) {
    const { sandbox, sandboxOverTcp, docker, peerContainer, daemon, flags, image, scope } = stage;
    const spawnerSocket = await startSpawner(stage);
    const hops = await SameHops.start(spawnerSocket, scope);
    const spawner = await SpawnerClient.connect(spawnerSocket);
    const contenders: Contender[] = [
      { name: 'cloister', perRound: 5, sample: async () => expectSuccess(await sandbox.exec(['true'])) },
      { name: 'cloister, over TCP', perRound: 5, sample: async () => expectSuccess(await sandboxOverTcp.exec(['true'])) },
      { name: 'dockerode exec', sample: async () => expectZero((await dockerodeExec(docker, peerContainer, ['true'])).exitCode) },
      {
        name: 'docker exec',
        perRound: 0.5,
        sample: async () => void (await runDocker(daemon.engineSocket, ['exec', peerContainer, 'true'])),
      },
      {
        name: 'docker run',
        perRound: 0.2,
        sample: async () => void (await runDocker(daemon.engineSocket, ['run', '--rm', ...flags, image, 'true'])),
      },
      { name: 'bubblewrap', perRound: 2, sample: () => bubblewrap(['true']) },
      { name: 'same hops', perRound: 5, sample: () => hops.run() },
      { name: 'bare spawner', perRound: 5, sample: () => spawner.run() },
    ];
    const samples = await compare(contenders, isQuick ? { warmUp: 10, rounds: 30 } : { warmUp: 20, rounds: 120 });
    hops.close();
    spawner.close();
    return samples;
  },
};

export const execEcho: Workload = {
  name: 'exec echo',
  unit: 'ms',
  what: 'a command with one line of output',
  async run({ sandbox, docker, peerContainer }, { isQuick }) {
    const contenders: Contender[] = [
      { name: 'cloister', perRound: 5, sample: async () => expectSuccess(await sandbox.exec(ECHO)) },
      { name: 'cloister, iterated', perRound: 5, sample: () => iterate(sandbox) },
      { name: 'dockerode exec', sample: async () => expectZero((await dockerodeExec(docker, peerContainer, ECHO)).exitCode) },
      { name: 'bubblewrap', perRound: 2, sample: () => bubblewrap(ECHO) },
    ];
    return await compare(contenders, isQuick ? { warmUp: 5, rounds: 20 } : { warmUp: 10, rounds: 80 });
  },
};

async function iterate(sandbox: Sandbox): Promise<void> {
  let bytes = 0;
  for await (const chunk of sandbox.exec(ECHO)) bytes += chunk.bytes.byteLength;
  if (bytes === 0) throw new Error('Cannot count the command: it had no output');
}

export function expectSuccess({ outcome, exitCode, reason }: ExecResult): void {
  if (outcome !== 'exited' || exitCode !== 0) throw new Error(`Cannot count the command: ${outcome} ${exitCode} ${reason ?? ''}`);
}

function expectZero(exitCode: number | null): void {
  if (exitCode !== 0) throw new Error(`Cannot count the command: exit code ${exitCode}`);
}
