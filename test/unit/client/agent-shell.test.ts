// The adapter of docs/agent-shell.md does what agent runtimes expect, and the document shows it as it is.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../../client/index.ts';
import { type MockDaemon, startMockDaemon } from '../../../daemon/testing/index.ts';
import { agentShell } from '../../../examples/agent-shell.ts';
import { renderAgentShell } from '../../support/documents/agent-shell.ts';
import { eventually } from '../../support/eventually.ts';

let daemon: MockDaemon;
let sandbox: Sandbox;
let shell: ReturnType<typeof agentShell>;

beforeAll(async () => {
  daemon = await startMockDaemon({ commands: 'host' });
  const cloister = await daemon.connect();
  sandbox = await cloister.open({ session: 'agent' });
  shell = agentShell(sandbox);
});
afterAll(() => daemon[Symbol.asyncDispose]());

describe('run', () => {
  test.each([
    [
      'answers with return code and both outputs',
      { command: 'echo out; echo err >&2; exit 3' },
      { returncode: 3, stdout: 'out\n', stderr: 'err\n' },
    ],
    ['takes an environment', { command: 'echo "$WHO"', env: { WHO: 'agent' } }, { returncode: 0, stdout: 'agent\n' }],
    ['says that the time was over', { command: 'echo up; sleep 600', timeout: 300 }, { returncode: 124, timedOut: true }],
    ['says of a signal what a shell says', { command: 'kill -TERM $$' }, { returncode: 143, timedOut: false }],
    ['says that a command does not exist', { command: 'no-such-command-here' }, { returncode: 127 }],
  ])('%s', async (_, request, wanted) => {
    expect(await shell.run(request)).toMatchObject({ timedOut: false, ...wanted });
  });

  test('tells a denial with its reason and a remedy, for the model to read', async () => {
    const { returncode, stderr } = await shell.run({ command: 'rm -rf /' });
    expect(returncode).toBe(126);
    expect(stderr.split('\n').length).toBeGreaterThan(1);
  });

  test('gives chunks as they come, with their stream', async () => {
    const chunks: string[] = [];
    await shell.run({ command: 'echo a; echo b >&2', onChunk: (text, stream) => void chunks.push(`${stream} ${text}`) });
    expect(chunks.toSorted()).toEqual(['stderr b\n', 'stdout a\n']);
  });

  test('works in a directory', async () => {
    await shell.files.writeText('sub/file', 'x');
    expect(await shell.run({ command: 'ls', cwd: 'sub' })).toMatchObject({ stdout: 'file\n' });
  });
});

test('runBackground goes on, is read piece by piece, and is ended', async () => {
  const running = await shell.runBackground({ command: 'echo one; while [ ! -e next ]; do sleep 0.02; done; echo two; sleep 600' });
  let [text, offset] = ['', 0];
  const read = async (): Promise<string> => {
    const part = await running.read(offset);
    expect(part.isRunning).toBe(true);
    offset = part.nextOffset;
    return (text += part.text);
  };
  await eventually(read, (seen) => seen.includes('one'));
  await shell.files.writeText('next', '');
  expect(await eventually(read, (seen) => seen.includes('two'))).toBe('one\ntwo\n');
  await running.kill();
  expect(await running.wait()).toMatchObject({ returncode: 130, timedOut: false });
});

test('files are read, written, listed, found and looked at', async () => {
  const { files } = shell;
  await files.writeText('made/a.txt', 'héllo');
  expect(Buffer.from(await files.readBytes('made/a.txt')).toString()).toBe('héllo');
  expect((await files.listDir('made')).map(({ path, kind, size }) => ({ path, kind, size }))).toEqual([
    { path: 'a.txt', kind: 'file', size: 6 },
  ]);
  expect(await files.glob('made/**/*.txt')).toEqual(['made/a.txt']);
  expect(await files.stat('made')).toMatchObject({ kind: 'directory' });
  expect(await files.stat('nothing')).toBeNull();
  await expect(files.readBytes('../etc/passwd')).rejects.toMatchObject({ code: 'PATH_ESCAPES_WORKSPACE' });
});

test('the document shows the adapter as it is (npm run docs writes it)', () => {
  const text = readFileSync('docs/agent-shell.md', 'utf8');
  expect(renderAgentShell(text, readFileSync('examples/agent-shell.ts', 'utf8'))).toBe(text);
});
