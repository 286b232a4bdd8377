// An exec table on a link to the fake init, with a daemon that can go and come again.

import { join } from 'node:path';
import { expect } from 'vitest';
import type { ExecEvent } from '../../../daemon/exec/attachment.ts';
import type { ExecRequest } from '../../../daemon/exec/exec-request.ts';
import type { ExecTableOptions } from '../../../daemon/exec/exec-table.ts';
import { ExecTable } from '../../../daemon/exec/exec-table.ts';
import type { Execution } from '../../../daemon/exec/execution.ts';
import { SpoolStore } from '../../../daemon/exec/spool-store.ts';
import { ControlListener } from '../../../daemon/link/control-listener.ts';
import { SandboxLink } from '../../../daemon/link/sandbox-link.ts';
import { systemClock } from '../../../daemon/observe/clock.ts';
import type { FakeHarness } from '../link/fake-link.ts';
import { fakeLink, silent } from '../link/fake-link.ts';

export interface TableHarness extends AsyncDisposable {
  readonly fake: FakeHarness;
  table: ExecTable;
  link: SandboxLink;
  readonly spools: SpoolStore;
  readonly journalPath: string;
  /** The daemon goes without a word, and another one comes. */
  restart(options?: { beforeListening?: () => void }): Promise<void>;
}

export async function openTable(options: Partial<ExecTableOptions> & { keepMs?: number } = {}): Promise<TableHarness> {
  const fake = await fakeLink();
  const journalPath = join(fake.directory, 'sandboxes', 'sb.execs.jsonl');
  const makeSpools = (): SpoolStore => new SpoolStore({ dir: join(fake.directory, 'spool'), log: silent, keepMs: options.keepMs });
  const make = (link: SandboxLink, spools: SpoolStore): Promise<ExecTable> =>
    ExecTable.open({ sandboxId: 'sb', link, spools, journalPath, clock: systemClock, log: silent, maxRunning: 16, ...options });
  const spools = makeSpools();
  let { listener } = fake;
  const harness: TableHarness = {
    fake,
    spools,
    journalPath,
    link: fake.link,
    table: await make(fake.link, spools),
    async restart({ beforeListening } = {}) {
      harness.link.detach();
      await listener.close();
      const link = new SandboxLink({ sandboxId: 'sb', clock: systemClock, log: silent });
      harness.table = await make(link, makeSpools());
      harness.link = link;
      beforeListening?.();
      listener = await ControlListener.open({
        socketPath: fake.socketPath,
        nonces: fake.nonces,
        link,
        clock: systemClock,
        log: silent,
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

export const request = (execId: string, script: string | readonly string[], more: Partial<ExecRequest> = {}): ExecRequest => ({
  execId,
  argv: typeof script === 'string' ? ['sh', '-c', script] : script,
  env: { PATH: '/usr/bin:/bin' },
  cwd: '/workspace',
  stdin: 'none',
  outputPolicy: 'drop',
  background: false,
  command: typeof script === 'string' ? script : [...script],
  graceMs: 100,
  ...more,
});

export async function collect(
  execution: Execution,
  offset = 0,
): Promise<{ text: string; events: ExecEvent[]; terminals: number; next: number }> {
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
