import { appendFile, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { collect, openTable as open, request } from './table-harness.ts';

const LINES = 'i=0; while [ $i -lt 300 ]; do echo "line $i"; i=$((i+1)); [ $((i % 30)) -eq 0 ] && sleep 0.1; done; echo done >&2; exit 5';
const lines = (count: number): string => Array.from({ length: count }, (_, index) => `line ${index}\n`).join('');

describe('a daemon that was killed', () => {
  test('finds a running command again and loses and doubles no line', async () => {
    await using it = await open();
    const before = it.table.start(request('a', LINES));
    for await (const event of before.attach()) if (event.kind === 'output' && event.offset > 500) break;
    await it.restart();
    const after = it.table.require('a');
    const { text, terminals, events } = await collect(after);
    expect(text).toBe(`${lines(300)}done\n`);
    expect({ terminals, last: events.at(-1) }).toMatchObject({
      terminals: 1,
      last: { kind: 'end', result: { outcome: 'exited', exitCode: 5, stderr: 'done\n', stdout: lines(300) } },
    });
    expect(it.table.start(request('a', LINES))).toBe(after);
    expect(it.fake.init.starts).toBe(1);
  });

  test('answers for commands that ended before, small and large', async () => {
    await using it = await open();
    const small = await it.table.start(request('small', 'echo hi; echo no >&2; exit 4')).result;
    const large = await it.table.start(request('large', 'head -c 200000 /dev/zero | tr "\\0" y; exit 1')).result;
    await it.table.close();
    await it.restart();
    expect(await it.table.require('small').result).toEqual(small);
    expect(await it.table.require('large').result).toEqual(large);
    expect((await collect(it.table.require('large'))).text).toBe('y'.repeat(200_000));
    expect((await collect(it.table.require('small'))).text).toBe('hi\nno\n');
    expect((await it.table.start(request('next', 'true')).result).exitCode).toBe(0);
  });

  test('gets the end of a command that ended while it was away', async () => {
    await using it = await open();
    const before = it.table.start(request('a', 'echo up; sleep 0.2; echo late; exit 9'));
    for await (const event of before.attach()) if (event.kind === 'output') break;
    it.link.detach();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await it.restart();
    expect(await it.table.require('a').result).toMatchObject({ outcome: 'exited', exitCode: 9, stdout: 'up\nlate\n' });
  });

  test('reports a command as lost whose START never reached the sandbox, and never runs it', async () => {
    await using it = await open();
    it.link.detach();
    await it.table.close();
    await it.restart();
    await it.table.start(request('x', 'true')).result;
    await it.table.close();
    const line = (await readFile(it.journalPath, 'utf8')).split('\n').find((text) => text.includes('"start"')) ?? '';
    await appendFile(it.journalPath, `${line.replace('"number":1', '"number":2').replace('"execId":"x"', '"execId":"y"')}\n{"t":"sta`);
    await it.restart();
    expect(await it.table.require('y').result).toMatchObject({
      outcome: 'lost',
      exitCode: null,
      reason: 'the daemon stopped before the command was started; it did not run',
    });
    expect(it.fake.init.starts).toBe(1);
    expect((await it.table.start(request('z', 'true')).result).exitCode).toBe(0);
  });

  test('still knows who had it killed', async () => {
    await using it = await open();
    const before = it.table.start(request('a', 'trap "" TERM; echo up; while :; do sleep 0.05; done', { graceMs: 400 }));
    for await (const event of before.attach()) if (event.kind === 'output') break;
    before.kill({ by: 'operator:x' });
    await it.restart();
    expect(await it.table.require('a').result).toMatchObject({ outcome: 'killed', by: 'operator:x' });
  });

  test('goes on with stdin where the command is', async () => {
    await using it = await open();
    const before = it.table.start(request('a', 'cat', { stdin: 'pipe' }));
    await before.write(Buffer.from('one\n'));
    for await (const event of before.attach()) if (event.kind === 'output') break;
    await it.restart();
    const after = it.table.require('a');
    await after.write(Buffer.from('two\n'));
    after.closeStdin();
    expect(await after.result).toMatchObject({ outcome: 'exited', exitCode: 0, stdout: 'one\ntwo\n' });
  });
});
