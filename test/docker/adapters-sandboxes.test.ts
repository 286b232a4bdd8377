// Adapters that are a framework's sandbox: the loop of the real framework with a scripted model, on a real sandbox.

import { compute as computeSdk } from 'computesdk';
import {
  DirectoryNotEmptyError,
  DirectoryNotFoundError,
  FileExistsError,
  FileNotFoundError,
  IsDirectoryError,
  NotDirectoryError,
  PermissionError,
  StaleFileError,
  Workspace,
} from '@mastra/core/workspace';
import { Agent, applyPatchTool, shellTool } from '@openai/agents';
import { filesystem, Manifest, SandboxAgent, shell } from '@openai/agents/sandbox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cloister as provider } from '../../client/adapters/computesdk/index.ts';
import { CloisterBackend } from '../../client/adapters/deepagents/index.ts';
import { CloisterFilesystem, CloisterSandbox } from '../../client/adapters/mastra/index.ts';
import { CloisterSandboxClient, createEditor, createShell } from '../../client/adapters/openai-agents/index.ts';
import type { Cloister } from '../../client/index.ts';
import { runDeepAgent } from '../support/agents/deep-agents.ts';
import { runMastra } from '../support/agents/mastra.ts';
import { runOpenAi } from '../support/agents/openai.ts';
import { eventually } from '../support/eventually.ts';
import { runExample } from '../support/run-example.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const RULES = [{ tool: 'files.write', args: { path: '/workspace/locked/*' }, action: 'deny', reason: 'locked' }, { preset: 'profile' }];

let daemon: TestDaemon;
let client: Cloister;
beforeAll(async () => {
  daemon = await startTestDaemon({ config: { permissions: { rules: RULES } } });
  client = await daemon.connect('acme');
});
afterAll(() => daemon[Symbol.asyncDispose]());

describe('the OpenAI Agents SDK', () => {
  test('a sandbox agent goes on with commands, types into terminals, patches and looks', async () => {
    const manifest = new Manifest({ entries: { 'in/a.txt': { type: 'file', content: 'one\ntwo\n' } }, environment: { FROM: 'manifest' } });
    const sandboxClient = new CloisterSandboxClient({ cloister: client, open: { session: 'agents' } });
    const session = await sandboxClient.create(manifest);
    const answers = await runOpenAi(
      (model) => new SandboxAgent({ name: 'scripted', model, capabilities: [shell(), filesystem()] }),
      [
        ['exec_command', { cmd: 'cat in/a.txt; echo $FROM; exit 3' }],
        ['exec_command', { cmd: 'echo begun; read line; echo "got $line"; exit 4', tty: true, yield_time_ms: 300 }],
        ['write_stdin', { session_id: 1, chars: 'hello\n', yield_time_ms: 20_000 }],
        ['write_stdin', { session_id: 1 }],
        ['apply_patch', { type: 'update_file', path: 'in/a.txt', diff: '@@\n one\n-two\n+three' }],
        ['apply_patch', { type: 'create_file', path: 'new.txt', diff: '+made' }],
        ['exec_command', { cmd: 'cat in/a.txt new.txt' }],
        ['apply_patch', { type: 'create_file', path: 'locked/x', diff: '+no' }],
        ['exec_command', { cmd: 'rm -rf /' }],
      ],
      { session },
    );
    expect(answers).toEqual([
      expect.stringMatching(/exited with code 3\nOutput:\none\ntwo\nmanifest\n$/),
      expect.stringMatching(/running with session ID 1\n/),
      expect.stringMatching(/exited with code 4\nOutput:\n[^]*got hello/),
      expect.stringMatching(/session not found: 1/),
      'Updated in/a.txt',
      'Created new.txt',
      expect.stringMatching(/exited with code 0\nOutput:\none\nthree\nmade/),
      expect.stringContaining('locked'),
      expect.stringMatching(/exited with code 126\nOutput:\ncloister: the command was denied/),
    ]);
    // Without a terminal: nothing can be typed, Ctrl-C is SIGINT, and what was said before is not said again.
    let heard = (await session.exec({ cmd: 'trap "echo caught; exit 5" INT; echo ready; while :; do sleep 0.05; done', yieldTimeMs: 0 }))
      .output;
    await eventually(
      async () => (heard += await session.writeStdin({ sessionId: 2, yieldTimeMs: 50 })),
      (text) => text.includes('ready'),
    );
    expect(await session.writeStdin({ sessionId: 2, chars: 'typed' })).toMatch(/start the command with tty=true/);
    expect(await session.writeStdin({ sessionId: 2, chars: '\u0003', yieldTimeMs: 20_000 })).toMatch(
      /exited with code 5\nOutput:\ncaught\n$/,
    );
    const stored = JSON.parse(JSON.stringify(await sandboxClient.serializeSessionState(session.state))) as Record<string, unknown>;
    await session.close();
    const resumed = await sandboxClient.resume(await sandboxClient.deserializeSessionState(stored));
    expect(await resumed.exec({ cmd: 'cat new.txt' })).toMatchObject({ output: 'made', exitCode: 0 });
    expect(await resumed.listDir({ path: 'in' })).toEqual([{ name: 'a.txt', path: '/workspace/in/a.txt', type: 'file' }]);
    expect(await resumed.running()).toBe(true);
    await expect(sandboxClient.create(new Manifest({ root: '/other' }))).rejects.toThrow('its root is /workspace');
    const hostFile = new Manifest({ entries: { f: { type: 'local_file', src: 'package.json' } } });
    const others = new CloisterSandboxClient({ cloister: client, open: { session: 'host-file' } });
    await expect(others.create(hostFile)).rejects.toThrow('type local_file are not supported');
    expect((await client.list()).some(({ session }) => session === 'host-file')).toBe(false);
    await sandboxClient.delete(resumed.state);
    expect(await resumed.running()).toBe(false);
  });

  test('its shell and apply_patch tools run what a model asks for', async () => {
    await using sandbox = await client.open({ session: 'shell-tool' });
    const shellOf = createShell(sandbox);
    expect(await shellOf.run({ commands: ['echo 1; exit 2', 'sleep 61'], timeoutMs: 300 })).toMatchObject({
      output: [{ stdout: '1\n', outcome: { type: 'exit', exitCode: 2 } }, { outcome: { type: 'timeout' } }],
    });
    const cut = await shellOf.run({ commands: ['seq 1000', 'rm -rf /'], maxOutputLength: 100 });
    expect(cut.output[0]?.stdout).toMatch(/^1\n2\n[^]*omitted[^]*1000\n$/);
    expect(cut.output[1]).toMatchObject({ outcome: { type: 'exit', exitCode: 126 } });
    const editor = createEditor(sandbox);
    const tools = [shellTool({ shell: shellOf }), applyPatchTool({ editor })];
    const answers = await runOpenAi(
      (model) => new Agent({ name: 'scripted', model, tools }),
      [
        ['shell', { commands: ['echo from the loop', 'exit 6'] }],
        ['apply_patch', { type: 'create_file', path: 'locked/x', diff: '+no' }],
      ],
    );
    expect(answers).toEqual([expect.stringMatching(/from the loop[^]*6/), expect.stringContaining('locked')]);
    expect(await editor.createFile({ type: 'create_file', path: 'e', diff: '+a\n+b' })).toMatchObject({ status: 'completed' });
    expect(await editor.createFile({ type: 'create_file', path: 'e', diff: '+x' })).toMatchObject({ status: 'failed' });
    expect(await editor.updateFile({ type: 'update_file', path: 'e', diff: '@@\n a\n-b\n+c', moveTo: 'f' })).toMatchObject({
      status: 'completed',
    });
    expect(await sandbox.files.readText('f')).toMatch(/^a\nc\n?$/);
    expect(await editor.updateFile({ type: 'update_file', path: 'f', diff: '@@\n-none\n+c' })).toMatchObject({ status: 'failed' });
    expect(await editor.deleteFile({ type: 'delete_file', path: 'f' })).toMatchObject({ status: 'completed' });
    expect(await sandbox.files.exists('f')).toBe(false);
  });
});

describe('deep agents', () => {
  test('run commands, work with files, and are told of failures, time-outs and denials', async () => {
    await using sandbox = await client.open({ session: 'deep' });
    const answers = await runDeepAgent(new CloisterBackend(sandbox), [
      ['write_file', { file_path: '/src/a.txt', content: 'one\ntwo\nthree\n' }],
      ['execute', { command: 'cat src/a.txt; echo oops >&2; exit 42' }],
      ['edit_file', { file_path: '/workspace/src/a.txt', old_string: 'two', new_string: '2' }],
      ['edit_file', { file_path: '/src/a.txt', old_string: 'none', new_string: '2' }],
      ['read_file', { file_path: '/src/a.txt', offset: 1, limit: 1 }],
      ['ls', { path: '/' }],
      ['glob', { pattern: '**/*.txt' }],
      ['grep', { pattern: 'thr' }],
      ['read_file', { file_path: '/none' }],
      ['execute', { command: 'rm -rf /' }],
      ['write_file', { file_path: '/locked/x', content: '' }],
    ]);
    expect(answers).toEqual([
      expect.stringContaining('/src/a.txt'),
      'one\ntwo\nthree\noops\n\n[Command failed with exit code 42]',
      expect.stringContaining('1'),
      expect.stringMatching(/occurs 0 times/),
      expect.stringMatching(/2/),
      expect.stringContaining('/workspace/src/ (directory)'),
      '/workspace/src/a.txt',
      expect.stringMatching(/\/workspace\/src\/a\.txt[^]*3: three/),
      expect.stringContaining('/workspace/none'),
      expect.stringMatching(/denied[^]*exit code 126/),
      expect.stringContaining('locked'),
    ]);
  });

  test('a command that takes too long is ended', async () => {
    await using sandbox = await client.open({ session: 'deep-late' });
    const backend = new CloisterBackend(sandbox, { timeoutMs: 300 });
    expect(await runDeepAgent(backend, [['execute', { command: 'sleep 61' }]])).toEqual([
      expect.stringMatching(/time limit[^]*exit code 124/),
    ]);
  });

  test('upload and download answer for each file', async () => {
    await using sandbox = await client.open({ session: 'deep-files' });
    const backend = new CloisterBackend(sandbox);
    const bytes = Uint8Array.from([0, 255, 1]);
    expect(
      await backend.uploadFiles([
        ['/up/b.bin', bytes],
        ['../out', bytes],
        ['/up', bytes],
        ['/locked/x', bytes],
      ]),
    ).toEqual([
      { path: '/up/b.bin', error: null },
      { path: '../out', error: 'invalid_path' },
      { path: '/up', error: 'is_directory' },
      { path: '/locked/x', error: 'permission_denied' },
    ]);
    const [found, none] = await backend.downloadFiles(['/workspace/up/b.bin', '/none']);
    expect([...(found?.content ?? [])]).toEqual([...bytes]);
    expect(none).toEqual({ path: '/none', content: null, error: 'file_not_found' });
    expect(await backend.delete('/up')).toMatchObject({ path: '/up' });
    expect(await backend.ls('/up')).toMatchObject({ error: expect.stringContaining('/workspace/up') as string });
  });
});

test('ComputeSDK makes, finds, uses and destroys sandboxes', async () => {
  const made = provider({ cloister: client, timeoutMs: 20_000 });
  computeSdk.setConfig({ provider: made });
  const sandbox = await computeSdk.sandbox.create({ name: 'compute', envs: { FROM: 'create' }, metadata: { agent: 'a1' } });
  expect(sandbox.sandboxId).toBe('compute');
  expect(await sandbox.runCommand('echo $FROM $MORE; exit 3', { env: { MORE: 'call' } })).toMatchObject({
    stdout: 'create call\n',
    exitCode: 3,
  });
  expect(await sandbox.runCommand('sleep 61', { timeout: 300 })).toMatchObject({ exitCode: 124 });
  expect(await sandbox.runCommand('rm -rf /')).toMatchObject({ exitCode: 126, stderr: expect.stringContaining('denied') as string });
  const heard: string[] = [];
  await sandbox.runCommand('echo live', { onStdout: (data) => heard.push(data) });
  expect(heard.join('')).toBe('live\n');
  expect(await sandbox.runCommand('while [ ! -e go ]; do sleep 0.05; done; echo > gone', { background: true })).toMatchObject({
    exitCode: 0,
  });
  await sandbox.filesystem.writeFile('dir/f', 'text');
  expect(await sandbox.filesystem.readdir('dir')).toMatchObject([{ name: 'f', type: 'file', size: 4 }]);
  expect(await sandbox.filesystem.readFile('dir/f')).toBe('text');
  await sandbox.filesystem.remove('dir');
  expect(await sandbox.filesystem.exists('dir')).toBe(false);
  expect(await sandbox.getInfo()).toMatchObject({ id: 'compute', provider: 'cloister', status: 'running', metadata: { agent: 'a1' } });
  expect((await made.sandbox.getById('compute'))?.sandboxId).toBe('compute');
  expect(await made.sandbox.getById('nobody')).toBeNull();
  expect((await made.sandbox.list()).map(({ sandboxId }) => sandboxId)).toContain('compute');
  await sandbox.destroy();
  expect(await made.sandbox.getById('compute')).toBeNull();
});

test('a Mastra agent runs commands, works with files and processes, and is told of failures, time-outs and denials', async () => {
  const sandbox = new CloisterSandbox({ cloister: client, open: { session: 'mastra' }, env: { FROM: 'options' } });
  const workspace = new Workspace({ sandbox, filesystem: new CloisterFilesystem(sandbox) });
  const answers = await runMastra(workspace, [
    ['mastra_workspace_write_file', { path: '/src/a.txt', content: 'one\ntwo\n' }],
    ['mastra_workspace_execute_command', { command: 'cat src/a.txt; echo $FROM; exit 3' }],
    ['mastra_workspace_read_file', { path: '/src/a.txt' }],
    ['mastra_workspace_list_files', { path: '/' }],
    ['mastra_workspace_read_file', { path: '/none' }],
    ['mastra_workspace_execute_command', { command: 'sleep 61', timeout: 0.3 }],
    ['mastra_workspace_execute_command', { command: 'rm -rf /' }],
    ['mastra_workspace_write_file', { path: 'locked/x', content: '' }],
    ['mastra_workspace_delete', { path: 'src/a.txt' }],
  ]);
  expect(answers).toEqual([
    'Wrote 8 bytes to /src/a.txt',
    'one\ntwo\noptions\n\nExit code: 3',
    expect.stringMatching(/one\n.*two/),
    expect.stringContaining('a.txt'),
    expect.stringContaining('/none'),
    expect.stringMatching(/time limit[^]*124/),
    expect.stringMatching(/denied[^]*126/),
    expect.stringContaining('locked'),
    'Deleted src/a.txt',
  ]);
  const process = await sandbox.processes.spawn('read line; echo "got $line"; exit 4');
  expect(await sandbox.processes.list()).toMatchObject([{ pid: process.pid, running: true }]);
  await process.sendStdin('typed\n');
  expect(await process.wait()).toMatchObject({ exitCode: 4, stdout: 'got typed\n', success: false });
  const endless = await sandbox.processes.spawn('sleep 61');
  expect(await sandbox.processes.kill(endless.pid)).toBe(true);
  expect(await endless.wait()).toMatchObject({ killed: true, success: false });
  expect(await sandbox.executeCommand('printf', ['%s|', "it's", '$HOME'])).toMatchObject({ stdout: "it's|$HOME|", success: true });
  const files = new CloisterFilesystem(sandbox);
  await files.mkdir('/dir/empty', { recursive: true });
  await files.writeFile('/dir/b.md', 'two');
  expect(await files.readdir('/dir', { extension: '.md' })).toMatchObject([
    { name: 'b.md', size: 3 },
    { name: 'empty', type: 'directory' },
  ]);
  expect(await files.stat('/dir')).toMatchObject({ name: 'dir', path: '/workspace/dir', type: 'directory', size: 0 });
  const stale = new Date(0);
  for (const [task, failure] of [
    [() => files.deleteFile('/dir'), IsDirectoryError],
    [() => files.mkdir('/dir'), FileExistsError],
    [() => files.mkdir('/none/below'), FileNotFoundError],
    [() => files.rmdir('/dir'), DirectoryNotEmptyError],
    [() => files.rmdir('/dir/b.md'), NotDirectoryError],
    [() => files.rmdir('/none'), DirectoryNotFoundError],
    [() => files.readFile('/none'), FileNotFoundError],
    [() => files.writeFile('/none/c', '', { recursive: false }), DirectoryNotFoundError],
    [() => files.writeFile('/dir/b.md', '', { overwrite: false }), FileExistsError],
    [() => files.writeFile('/dir/b.md', '', { expectedMtime: stale }), StaleFileError],
    [() => files.readFile('../../etc/passwd'), PermissionError],
  ] as const)
    await expect(task()).rejects.toThrow(failure);
  await files.rmdir('/dir/empty');
  await files.rmdir('/none', { force: true });
  await files.rmdir('/dir', { recursive: true });
  expect(await files.exists('/dir')).toBe(false);
  await workspace.destroy();
  expect((await client.list()).some(({ session }) => session === 'mastra')).toBe(false);
});

test.each([
  ['openai-agents', /hello you.*It greets/s],
  ['deep-agents', /# Notes.*Written and read/s],
  ['computesdk', /3 hello you/],
  ['mastra', /hello you/],
])('the example %s runs', async (name, printed) => {
  expect(await runExample(name, daemon.url, await daemon.token('examples'))).toMatch(printed);
});
