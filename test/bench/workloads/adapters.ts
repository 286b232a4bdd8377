// What the adapters add to a command: through each framework's interface, less the same by the client itself.

import { createBashToolSandbox, createTools } from 'cloister/ai';
import { createBashTool } from 'cloister/anthropic';
import { cloister as provider } from 'cloister/computesdk';
import { CloisterBackend } from 'cloister/deepagents';
import { CloisterSandbox } from 'cloister/mastra';
import { createShell } from 'cloister/openai-agents';
import { type Contender, compare } from '../harness/comparison.ts';
import { median } from '../harness/statistics.ts';
import type { Workload } from '../harness/workload.ts';
import { expectSuccess } from './exec-true.ts';

const COMMAND = 'echo hello from the sandbox';

export const adapters: Workload = {
  name: 'adapters',
  unit: 'ms',
  what: 'an `echo` through each adapter less the median of one by the client; the first row is the one that adds most',
  async run({ client, open }, { isQuick }) {
    const sandbox = await open();
    const compute = await provider({ cloister: client, open: { workspace: { retain: 'delete' } } }).sandbox.create();
    const mastra = new CloisterSandbox({ cloister: client, open: { session: sandbox.session } });
    const [backend, shell, bashTool, bash] = [
      new CloisterBackend(sandbox),
      createShell(sandbox),
      createBashToolSandbox(sandbox),
      createBashTool(sandbox),
    ];
    const { execute } = createTools(sandbox).bash;
    const perRound = 3;
    const contenders: Contender[] = [
      { name: 'client', perRound, sample: async () => expectSuccess(await sandbox.exec(COMMAND)) },
      { name: 'ai', perRound, sample: async () => void (await execute?.({ command: COMMAND }, { toolCallId: 'bench', messages: [] })) },
      { name: 'bash-tool', perRound, sample: async () => void (await bashTool.executeCommand(COMMAND)) },
      { name: 'anthropic', perRound, sample: async () => void (await bash.run({ command: COMMAND })) },
      { name: 'openai-agents', perRound, sample: async () => void (await shell.run({ commands: [COMMAND] })) },
      { name: 'deepagents', perRound, sample: async () => void (await backend.execute(COMMAND)) },
      { name: 'computesdk', perRound, sample: async () => void (await compute.runCommand(COMMAND)) },
      { name: 'mastra', perRound, sample: async () => void (await mastra.executeCommand(COMMAND)) },
    ];
    const [direct, ...through] = await compare(contenders, isQuick ? { warmUp: 10, rounds: 30 } : { warmUp: 20, rounds: 150 });
    await bash.close?.();
    await compute.destroy();
    await sandbox.close({ workspace: 'delete' });
    const base = median(direct?.values ?? []);
    return through
      .map(({ name, values }) => ({ name, values: values.map((value) => value - base) }))
      .sort((a, b) => median(b.values) - median(a.values));
  },
};
