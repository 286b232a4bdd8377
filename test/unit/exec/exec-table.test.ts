import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ExecEvent } from '../../../daemon/exec/attachment.ts';
import type { ExecRequest } from '../../../daemon/exec/exec-request.ts';
import { ExecTable } from '../../../daemon/exec/exec-table.ts';
import type { ExecTableOptions } from '../../../daemon/exec/exec-table.ts';
import type { Execution } from '../../../daemon/exec/execution.ts';
import { SpoolStore } from '../../../daemon/exec/spool-store.ts';
import { ControlListener } from '../../../daemon/link/control-listener.ts';
import { SandboxLink } from '../../../daemon/link/sandbox-link.ts';
import { systemClock } from '../../../daemon/observe/clock.ts';
import { fakeLink, silent } from '../link/fake-link.ts';
import type { FakeHarness } from '../link/fake-link.ts';

interface TableHarness extends AsyncDisposable {
  readonly fake: FakeHarness;
  table: ExecTable;
  link: SandboxLink;
  readonly spools: SpoolStore;
  readonly journalPath: string;
  /** The daemon goes without a word, and another one comes. */
  restart(options?: { beforeListening?: () => void }): Promise<void>;
}

async function open(options: Partial<ExecTableOptions> & { keepMs?: number } = {}): Promise<TableHarness> {
  const fake = await fakeLink();
  const journalPath = join(fake.directory, 'sandboxes', 'sb.execs.jsonl');
  const makeSpools = (): SpoolStore => new SpoolStore({ dir: join(fake.directory, 'spool'), log: silent, keepMs: options.keepMs });
  const make = (link: SandboxLink, spools: SpoolStore): Promise<ExecTable> =>
    ExecTable.open({ sandboxId: 'sb', link, spools, journalPath, clock: systemClock, log: silent, maxRunning: 16, ...options });
  const spools = makeSpools();
  let { listener } = fake;
  const harness: TableHarness = {
    fake, spools, journalPath, link: fake.link, table: await make(fake.link, spools),
    async restart({ beforeListening } = {}) {
      harness.link.detach();
      await listener.close();
      const link = new SandboxLink({ sandboxId: 'sb', clock: systemClock, log: silent });
      harness.table = await make(link, makeSpools());
      harness.link = link;
      beforeListening?.();
      listener = await ControlListener.open({
        socketPath: fake.socketPath, nonces: fake.nonces, link, clock: systemClock, log: silent,
        saveNonces: async (next) => {
          fake.nonces = next;
        },
      });
      await link.waitUntilUp({ timeoutMs: 5_000 });
    },
    async [Symbol.asyncDispose]() {
      harness.link.close();
      await listener.close();
      await harness.table.close();
      await fake[Symbol.asyncDispose]();
    },
  };
  return harness;
}

const request = (execId: string, script: string | readonly string[], more: Partial<ExecRequest> = {}): ExecRequest => ({
  execId, argv: typeof script === 'string' ? ['sh', '-c', script] : script, env: { PATH: '/usr/bin:/bin' }, cwd: '/workspace', stdin: 'none', outputPolicy: 'drop',
  background: false, command: typeof script === 'string' ? script : [...script], graceMs: 100, ...more,
});

async function collect(execution: Execution, offset = 0): Promise<{ text: string; events: ExecEvent[]; terminals: number; next: number }> {
  const events: ExecEvent[] = [];
  let text = '';
  let next = offset;
  for await (const event of execution.attach(offset)) {
    events.push(event);
    if (event.kind === 'output') {
      expect(event.offset).toBe(next);
      next += event.bytes.byteLength;
      text += Buffer.from(event.bytes).toString();
    } else if (event.kind === 'gap') next = event.to;
  }
  return { text, events, next, terminals: events.filter((event) => event.kind === 'end' || event.kind === 'failed').length };
}

const LINES = 'i=0; while [ $i -lt 300 ]; do echo "line $i"; i=$((i+1)); [ $((i % 30)) -eq 0 ] && sleep 0.1; done; echo done >&2; exit 5';
const lines = (count: number): string => Array.from({ length: count }, (_, index) => `line ${index}\n`).join('');

describe('the exec table', () => {
  test('gives one result with both streams, figures and no egress', async () => {
    await using it = await open();
    const execution = it.table.start(request('a', 'echo out; echo err >&2; exit 3'));
    const result = await execution.result;
    expect(result).toMatchObject({ id: 'a', outcome: 'exited', exitCode: 3, signal: null, stdout: 'out\n', stderr: 'err\n', nextOffset: 8, droppedBytes: { stdout: 0, stderr: 0 }, notes: [], egress: [] });
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
    const dropped = await it.table.start(request('b', 'head -c 300000 /dev/zero | tr "\\0" x', { outputBytes: 100_000, outputPolicy: 'drop' })).result;
    expect(dropped).toMatchObject({ outcome: 'exited', exitCode: 0, droppedBytes: { stdout: 260_000, stderr: 0 } });
    expect(dropped.notes).toEqual([{ code: 'outputTruncated' }]);
  });

  test('tells an out-of-memory kill from one that may have hit another command', async () => {
    let kills = 0;
    await using it = await open({ readOomKills: () => kills });
    const alone = it.table.start(request('a', 'echo up; exec sleep 600'));
    for await (const event of alone.attach()) if (event.kind === 'output') break;
    kills += 1;
    alone.kill({ by: 'test', signal: 'SIGKILL' });
    expect((await alone.result).outcome).toBe('oomKilled');
    const [first, second] = [it.table.start(request('b', 'sleep 0.2')), it.table.start(request('c', 'sleep 0.2'))];
    kills += 1;
    expect(await first.result).toMatchObject({ outcome: 'exited', notes: [{ code: 'oomKill' }] });
    await second.result;
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

describe('a daemon that was killed', () => {
  test('finds a running command again and loses and doubles no line', async () => {
    await using it = await open();
    const before = it.table.start(request('a', LINES));
    for await (const event of before.attach()) if (event.kind === 'output' && event.offset > 500) break;
    await it.restart();
    const after = it.table.require('a');
    const { text, terminals, events } = await collect(after);
    expect(text).toBe(`${lines(300)}done\n`);
    expect({ terminals, last: events.at(-1) }).toMatchObject({ terminals: 1, last: { kind: 'end', result: { outcome: 'exited', exitCode: 5, stderr: 'done\n', stdout: lines(300) } } });
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
    const { appendFile } = await import('node:fs/promises');
    await it.table.close();
    await it.restart();
    await it.table.start(request('x', 'true')).result;
    await it.table.close();
    const line = (await readFile(it.journalPath, 'utf8')).split('\n').find((text) => text.includes('"start"')) ?? '';
    await appendFile(it.journalPath, `${line.replace('"number":1', '"number":2').replace('"execId":"x"', '"execId":"y"')}\n{"t":"sta`);
    await it.restart();
    expect(await it.table.require('y').result).toMatchObject({ outcome: 'lost', exitCode: null, reason: 'the daemon stopped before the command was started; it did not run' });
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
