// A sandbox that has been removed leaves neither journal nor output, whatever its commands still do.

import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import type { ExecResult } from '../../../client/protocol/exec.ts';
import { deferred } from '../../../daemon/exec/deferred.ts';
import { ExecTable } from '../../../daemon/exec/exec-table.ts';
import { openTable, request, type TableHarness } from './table-harness.ts';

const filesOf = async ({ journalPath, fake }: TableHarness): Promise<string[]> => [
  ...(await readdir(dirname(journalPath))),
  ...(await readdir(join(fake.directory, 'spool')).catch(() => [])),
];

test('a kill and an end that come after the removal write nothing', async () => {
  const completing = deferred<ExecResult>();
  await using it = await openTable({ complete: () => completing.promise });
  const execution = it.table.start(request('a', 'sleep 600'));
  expect(await readFile(it.journalPath, 'utf8')).toContain('"start"');
  // Its end waits for what others have to say of it, and is not settled when the sandbox goes.
  it.table.sandboxRemoved('session:close', 'closed');
  await it.table.destroy();
  execution.kill({ by: 'disconnect' });
  completing.resolve({ id: 'a', outcome: 'killed' } as unknown as ExecResult);
  expect(await execution.result).toMatchObject({ outcome: 'killed' });
  expect(await filesOf(it)).toEqual([]);
});

test('a sandbox that no table was opened for goes with its journal and its output', async () => {
  await using it = await openTable();
  await it.table.start(request('a', 'head -c 2000000 /dev/zero')).result;
  await it.table.close();
  expect(await filesOf(it)).not.toEqual([]);
  const { spools, journalPath } = it;
  await ExecTable.removeLeft({ sandboxId: 'sb', journalPath, spools });
  expect(await filesOf(it)).toEqual([]);
});
