import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ExecKernel } from '../../../daemon/exec/exec-kernel.ts';
import type { Execution } from '../../../daemon/exec/execution.ts';
import { collect, openTable as open, request } from './table-harness.ts';

describe('the exec table', () => {
  test('gives one result with both streams, figures and no egress', async () => {
    await using it = await open();
    const execution = it.table.start(request('a', 'echo out; echo err >&2; exit 3'));
    const result = await execution.result;
    expect(result).toMatchObject({
      id: 'a',
      outcome: 'exited',
      exitCode: 3,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
      nextOffset: 8,
      droppedBytes: { stdout: 0, stderr: 0 },
      notes: [],
      egress: [],
    });
    expect(execution.info()).toMatchObject({ id: 'a', state: 'ended', outcome: 'exited' });
  });

  test('starts the same request under the same id once, and refuses another under it', async () => {
    await using it = await open();
    const first = it.table.start(request('a', 'echo once >> marks; sleep 0.1'));
    expect(it.table.start(request('a', 'echo once >> marks; sleep 0.1'))).toBe(first);
    expect(() => it.table.start(request('a', 'echo other'))).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }));
    await first.result;
    expect(it.table.start(request('a', 'echo once >> marks; sleep 0.1'))).toBe(first);
    expect(await readFile(join(it.fake.workspace, 'marks'), 'utf8')).toBe('once\n');
  });

  test('runs at most as many at once as allowed', async () => {
    await using it = await open({ maxRunning: 2 });
    const held = [it.table.start(request('a', 'sleep 600')), it.table.start(request('b', 'sleep 600'))];
    expect(() => it.table.start(request('c', 'true'))).toThrow(expect.objectContaining({ code: 'QUOTA_EXCEEDED' }));
    held[0]?.kill({ by: 'caller' });
    await held[0]?.result;
    expect((await it.table.start(request('d', 'true')).result).exitCode).toBe(0);
    it.table.killAll('session:close');
    expect(await held[1]?.result).toMatchObject({ outcome: 'killed', by: 'session:close' });
  });

  test('serves several readers at their own pace, each with exactly one end', async () => {
    await using it = await open();
    const execution = it.table.start(request('a', 'head -c 3000000 /dev/zero | tr "\\0" x; echo; echo end'));
    const slow = (async () => {
      let bytes = 0;
      let ends = 0;
      for await (const event of execution.attach()) {
        if (event.kind === 'output') bytes += event.bytes.byteLength;
        else if (event.kind === 'end') ends += 1;
        if (bytes % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return { bytes, ends };
    })();
    const [a, b] = await Promise.all([collect(execution), collect(execution, 2_999_999)]);
    expect({ bytes: a.next, ends: a.terminals }).toEqual({ bytes: 3_000_005, ends: 1 });
    expect({ text: b.text, ends: b.terminals }).toEqual({ text: 'x\nend\n', ends: 1 });
    expect(await slow).toEqual({ bytes: 3_000_005, ends: 1 });
    const late = await collect(execution, 3_000_001);
    expect({ text: late.text, ends: late.terminals }).toEqual({ text: 'end\n', ends: 1 });
  });

  test('yields what there is and goes on', async () => {
    await using it = await open();
    const execution = it.table.start(request('a', 'echo one; sleep 0.3; echo two'));
    let part = await execution.resultWithin(10);
    while (part.nextOffset === 0) part = await execution.resultWithin(10);
    expect(part).toMatchObject({ outcome: 'running', exitCode: null, stdout: 'one\n', nextOffset: 4 });
    expect((await collect(execution, part.nextOffset)).text).toBe('two\n');
    expect((await execution.resultWithin(0)).outcome).toBe('exited');
  });

  test('says who killed a command, by tree or by signal', async () => {
    await using it = await open();
    const tree = it.table.start(request('a', 'sleep 600'));
    tree.kill({ by: 'caller' });
    expect(await tree.result).toMatchObject({ outcome: 'killed', by: 'caller', exitCode: null });
    const signal = it.table.start(request('b', 'echo up; exec sleep 600'));
    for await (const event of signal.attach()) if (event.kind === 'output') break;
    signal.kill({ by: 'operator:x', signal: 'SIGINT' });
    expect(await signal.result).toMatchObject({ outcome: 'killed', by: 'operator:x', reason: 'by SIGINT' });
  });

  test('feeds stdin with backpressure and says when nobody reads it', async () => {
    await using it = await open();
    const execution = it.table.start(request('a', 'cat | wc -c', { stdin: 'pipe' }));
    for (let index = 0; index < 20; index += 1) expect(await execution.write(Buffer.alloc(50_000))).toBe(true);
    execution.closeStdin();
    expect((await execution.result).stdout.trim()).toBe('1000000');
    expect(await execution.write(Buffer.from('late'))).toBe(false);
    const deaf = it.table.start(request('b', 'sleep 0.2', { stdin: 'pipe' }));
    expect(await deaf.write(Buffer.alloc(1_000_000))).toBe(false);
    expect((await deaf.result).exitCode).toBe(0);
  });

  test('ends a command at its output cap if the policy says stop, else only notes what was left out', async () => {
    await using it = await open();
    const stopped = await it.table.start(request('a', 'yes', { outputBytes: 100_000, outputPolicy: 'stop' })).result;
    expect(stopped).toMatchObject({ outcome: 'outputCapped', exitCode: null });
    const dropped = await it.table.start(
      request('b', 'head -c 300000 /dev/zero | tr "\\0" x', { outputBytes: 100_000, outputPolicy: 'drop' }),
    ).result;
    expect(dropped).toMatchObject({ outcome: 'exited', exitCode: 0, droppedBytes: { stdout: 260_000, stderr: 0 } });
    expect(dropped.notes).toEqual([{ code: 'outputTruncated' }]);
  });

  test('tells an out-of-memory kill from one that hit another command, by the score the kernel names', async () => {
    let oomKills = 0;
    const victims: number[] = [];
    const kernel: ExecKernel = {
      counts: () => ({ oomKills, forksRefused: 0 }),
      mark: () => victims.length,
      victims: (mark) => victims.slice(mark),
      hold: () => undefined,
      release: () => undefined,
    };
    await using it = await open({ kernel: () => kernel });
    const kill = async (execution: Execution): Promise<void> => {
      for await (const event of execution.attach()) if (event.kind === 'output') break;
      oomKills += 1;
      execution.kill({ by: 'test', signal: 'SIGKILL' });
    };
    const start = (id: string): Execution => it.table.start(request(id, 'echo up; exec sleep 600'));
    const alone = start('alone');
    await kill(alone);
    expect((await alone.result).outcome).toBe('oomKilled');
    const [hit, other] = [start('hit'), start('other')];
    victims.push(900);
    await kill(hit);
    expect((await hit.result).outcome).toBe('oomKilled');
    other.kill({ by: 'test', signal: 'SIGKILL' });
    expect(await other.result).toMatchObject({ outcome: 'killed', notes: [{ code: 'oomKill' }] });
    const [untold, company] = [start('untold'), start('company')];
    await kill(untold);
    expect(await untold.result).toMatchObject({ outcome: 'killed', notes: [{ code: 'oomKill' }] });
    company.kill({ by: 'test', graceMs: 0 });
    await company.result;
  });

  test('ends what runs as lost when the sandbox dies, and starts nothing more', async () => {
    await using it = await open();
    const execution = it.table.start(request('a', 'echo up; sleep 600'));
    for await (const event of execution.attach()) if (event.kind === 'output') break;
    it.link.close('its container ended');
    expect(await execution.result).toMatchObject({ outcome: 'lost', exitCode: null, reason: 'its container ended', stdout: 'up\n' });
    expect(() => it.table.start(request('b', 'true'))).toThrow(expect.objectContaining({ code: 'SANDBOX_FAILED' }));
    expect(it.table.get('b')).toBeUndefined();
  });

  test('lets others complete the result before anyone sees it, and survives their failure', async () => {
    await using it = await open({
      complete: async (draft, execution) => {
        if (execution.id === 'bad') throw new Error('no');
        return { ...draft, notes: [...draft.notes, { code: 'egressDenied', detail: execution.id }] };
      },
    });
    expect((await it.table.start(request('a', 'true')).result).notes).toEqual([{ code: 'egressDenied', detail: 'a' }]);
    expect((await it.table.start(request('bad', 'true')).result).notes).toEqual([]);
  });

  test('forgets ended commands and their files in time', async () => {
    await using it = await open({ keepMs: 50 });
    await it.table.start(request('a', 'head -c 200000 /dev/zero')).result;
    while (it.table.get('a') !== undefined) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(() => it.table.require('a')).toThrow(expect.objectContaining({ code: 'EXEC_UNKNOWN' }));
    let left = ['?'];
    while (left.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      left = await readdir(it.spools.directoryOf('sb'));
    }
    expect(it.spools.totalBytes).toBe(0);
  });
});
