// Adapters that give an agent tools: the loop of the real framework with a scripted model, on a real sandbox.

import { createBashTool as createBashToolkit } from 'bash-tool';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBashToolSandbox, createTools } from '../../client/adapters/ai/index.ts';
import { createAgentToolset, createBashTool, createTextEditorTool } from '../../client/adapters/anthropic/index.ts';
import type { Sandbox } from '../../client/index.ts';
import { eventually } from '../support/eventually.ts';
import { runAiSdk } from '../support/agents/ai-sdk.ts';
import { runAnthropic } from '../support/agents/anthropic.ts';
import { runExample } from '../support/run-example.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const RULES = [{ tool: 'files.write', args: { path: '/workspace/locked/*' }, action: 'deny', reason: 'locked' }, { preset: 'profile' }];

let daemon: TestDaemon;
let sandbox: Sandbox;
beforeAll(async () => {
  daemon = await startTestDaemon({ config: { permissions: { rules: RULES } } });
  sandbox = await (await daemon.connect('acme')).open({ session: 'tools' });
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** No process of an earlier call is left. */
const sleepers = async (): Promise<string> => (await sandbox.exec("ps -eo args | grep -c '^sleep 61'")).stdout.trim();

describe('the AI SDK', () => {
  test('runs commands, reads and changes files, and is told of failures, time-outs and denials', async () => {
    const answers = await runAiSdk(createTools(sandbox), [
      ['bash', { command: 'echo out; echo err >&2; exit 3' }],
      ['write', { path: 'ai/a.txt', content: 'one\ntwo\n' }],
      ['edit', { path: 'ai/a.txt', oldText: 'two', newText: 'three' }],
      ['read', { path: 'ai/a.txt' }],
      ['read', { path: 'ai/none.txt' }],
      ['list', { path: 'ai' }],
      ['glob', { pattern: '**/*.txt', path: 'ai' }],
      ['grep', { pattern: 'thr.e', path: 'ai' }],
      ['bash', { command: 'sleep 61', timeoutMs: 200 }],
      ['bash', { command: 'rm -rf /' }],
      ['write', { path: 'locked/a', content: '' }],
      ['bash', { command: 'cat a.txt', cwd: 'ai' }],
    ]);
    expect(answers.map((answer) => answer.replaceAll('\\n', '\n'))).toEqual([
      '{"stdout":"out\n","stderr":"err\n","exitCode":3,"truncated":false}',
      'wrote 8 bytes to ai/a.txt',
      'made 1 replacement in ai/a.txt',
      expect.stringMatching(/1\s+one\n\s*2\s+three/),
      expect.stringMatching(/^error: .*ai\/none\.txt.*\nhint: /),
      '{"found":["a.txt"],"truncated":false}',
      '{"found":["ai/a.txt"],"truncated":false}',
      '{"found":["ai/a.txt:2:three"],"truncated":false}',
      expect.stringMatching(/time limit.*"exitCode":124/s),
      expect.stringMatching(/denied.*floor\.recursiveDelete.*"exitCode":126/s),
      expect.stringContaining('locked'),
      '{"stdout":"one\nthree\n","stderr":"","exitCode":0,"truncated":false}',
    ]);
    expect(await sleepers()).toBe('0');
  });

  test('aborting the generation ends the command', async () => {
    const abort = new AbortController();
    const bash = createTools(sandbox).bash;
    const call = bash.execute?.(
      { command: 'echo started > ai-started; sleep 61' },
      { toolCallId: 'c', messages: [], abortSignal: abort.signal },
    );
    await eventually(() => sandbox.files.exists('ai-started'), Boolean);
    abort.abort();
    expect(await call).toMatchObject({ exitCode: 130 });
  });

  test('the bash-tool package works in the sandbox', async () => {
    const { tools } = await createBashToolkit({
      sandbox: createBashToolSandbox(sandbox),
      files: { 'src/x.txt': 'here' },
    });
    const answers = await runAiSdk(tools, [
      ['bash', { command: 'cat src/x.txt; exit 2' }],
      ['writeFile', { path: 'src/y.txt', content: 'made' }],
      ['readFile', { path: '/workspace/src/y.txt' }],
      ['readFile', { path: 'src/none.txt' }],
      ['bash', { command: 'rm -rf /' }],
    ]);
    expect(answers).toEqual([
      '{"stdout":"here","stderr":"","exitCode":2}',
      expect.stringContaining('true'),
      expect.stringContaining('made'),
      expect.stringMatching(/^error: .*none\.txt/),
      expect.stringMatching(/denied.*"exitCode":126/),
    ]);
    const hasty = await createBashToolkit({
      sandbox: createBashToolSandbox(sandbox, { timeoutMs: 300 }),
      promptOptions: { toolPrompt: 'none' },
    });
    expect(await runAiSdk(hasty.tools, [['bash', { command: 'sleep 61' }]])).toEqual([expect.stringContaining('"exitCode":124')]);
  });
});

describe('the Anthropic SDK', () => {
  test('its bash keeps its state, is interrupted and restarted; its text editor edits', async () => {
    const bash = createBashTool(sandbox);
    const answers = await runAnthropic(
      [bash, createTextEditorTool(sandbox)],
      [
        ['bash', { command: 'mkdir -p an && cd an && export A=1' }],
        ['bash', { command: 'echo $A; pwd; (exit 4)' }],
        ['bash', { command: 'sleep 61', timeout_ms: 300 }],
        ['bash', { command: 'echo $A' }],
        ['bash', { restart: true }],
        ['bash', { command: 'echo "[$A]"; pwd' }],
        ['str_replace_based_edit_tool', { command: 'create', path: '/workspace/an/f', file_text: 'a\nb\nb\n' }],
        ['str_replace_based_edit_tool', { command: 'str_replace', path: '/workspace/an/f', old_str: 'b', new_str: 'c' }],
        ['str_replace_based_edit_tool', { command: 'str_replace', path: '/workspace/an/f', old_str: 'a\n', new_str: 'c\n' }],
        ['str_replace_based_edit_tool', { command: 'insert', path: '/workspace/an/f', insert_line: 0, insert_text: 'top\n' }],
        ['str_replace_based_edit_tool', { command: 'view', path: '/workspace/an/f', view_range: [1, -1] }],
        ['str_replace_based_edit_tool', { command: 'view', path: '/etc/passwd' }],
        ['str_replace_based_edit_tool', { command: 'create', path: 'locked/f', file_text: '' }],
      ],
    );
    expect(answers).toEqual([
      '',
      '1\n/workspace/an\n[exit code 4]',
      expect.stringMatching(/\[timed out after 300 ms and was interrupted\]$/),
      '1',
      'bash session restarted',
      '[]\n/workspace',
      expect.stringContaining('created'),
      expect.stringMatching(/^error: .*\b2\b/s),
      expect.stringContaining('edited'),
      expect.stringContaining('edited'),
      expect.stringMatching(/1\s+top\n\s*2\s+c\n\s*3\s+b\n\s*4\s+b/),
      expect.stringContaining('error: '),
      expect.stringMatching(/^error: .*locked/s),
    ]);
    await bash.close?.();
    expect(await sleepers()).toBe('0');
  });

  test('its agent toolset answers as the one of the SDK does', async () => {
    const tools = createAgentToolset(sandbox);
    const answers = await runAnthropic(tools, [
      ['write', { file_path: 'set/a.ts', content: 'export const one = 1;\n' }],
      ['edit', { file_path: 'set/a.ts', old_string: 'one', new_string: 'two' }],
      ['read', { file_path: 'set/a.ts', view_range: [1, 1] }],
      ['glob', { pattern: '**/*.ts' }],
      ['grep', { pattern: 'tw[o]', path: 'set' }],
      ['bash', { command: 'cd set; echo no >&2; (exit 5)' }],
      ['bash', { command: 'sleep 61', timeout_ms: 200 }],
      ['bash', { command: 'pwd' }],
      ['read', { file_path: '../../etc/passwd' }],
    ]);
    expect(answers).toEqual([
      'wrote 22 bytes to set/a.ts',
      'replaced 1 occurrence(s) in set/a.ts',
      'export const two = 1;\n',
      'set/a.ts',
      'set/a.ts:1:export const two = 1;',
      'error: no\n[exit code 5]',
      expect.stringMatching(/^error: [^]*timed out after 200 ms/),
      '/workspace/set',
      expect.stringMatching(/^error: .*etc\/passwd.*hint: /s),
    ]);
    await tools[0]?.close?.();
  });
});

test.each([
  ['ai-sdk', /"exitCode":3.*It is Linux/s],
  ['anthropic', /I am in \/tmp/],
])('the example %s runs', async (name, printed) => {
  expect(await runExample(name, daemon.url, await daemon.token('examples'))).toMatch(printed);
});
