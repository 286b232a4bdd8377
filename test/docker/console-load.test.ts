// The console's table over many sandboxes, some of them busy: every row is there, figures move, and the page stays in the hands of whoever
// looks. CLOISTER_TEST_LOAD=1 makes it 200 with 20 busy on a machine of its own, and holds the page and the daemon to their figures.

import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { Sandbox } from '../../client/index.ts';
import { ConsoleBrowser } from '../support/console-browser.ts';
import { eventually } from '../support/eventually.ts';
import { spawnTestDaemon } from '../support/test-daemon.ts';

const isLoad = process.env['CLOISTER_TEST_LOAD'] === '1';
const [SANDBOXES, BUSY] = isLoad ? [200, 20] : [6, 1];
const WINDOW_MS = isLoad ? 60_000 : 3000;
const OPENERS = 4;
/** Of /proc. */
const TICKS_PER_SECOND = 100;
vi.setConfig({ testTimeout: 1_200_000 });

/** Tasks of the page that kept it from answering for longer than 50 ms, as the browser counts them. */
const WATCH_TASKS = `window.longest = 0; new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);
}).observe({ type: 'longtask' })`;

async function processorSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

test(`${SANDBOXES} sandboxes with ${BUSY} busy are shown, live`, async () => {
  await using daemon = await spawnTestDaemon({ config: { pool: { creating: OPENERS, pauseIdleMs: null } } });
  const client = await daemon.connect('acme');
  const sandboxes: Sandbox[] = [];
  const names = Array.from({ length: SANDBOXES }, (_, n) => `s-${n}`);
  const opener = async (): Promise<void> => {
    for (let session = names.pop(); session !== undefined; session = names.pop())
      sandboxes.push(
        await client.open({ session, limits: { cpus: 0.05, memoryBytes: 64 * 1024 * 1024 }, workspace: { retain: 'delete' } }),
      );
  };
  await Promise.all(Array.from({ length: OPENERS }, opener));
  for (const sandbox of sandboxes.slice(0, BUSY))
    void Promise.resolve(sandbox.exec('while :; do echo busy; sleep 0.2; done', { background: true })).catch(() => undefined);

  const measured = async (): Promise<number> => {
    const before = await processorSeconds(daemon.pid);
    await sleep(WINDOW_MS);
    return ((await processorSeconds(daemon.pid)) - before) / (WINDOW_MS / 1000);
  };
  const alone = await measured();
  await using browser = await ConsoleBrowser.launch({ url: daemon.url.replace('ws', 'http') });
  const visit = await browser.visit();
  const { page } = visit;
  await browser.signIn(visit, await daemon.token(null, { role: 'operator' }));
  await page.evaluate(`location.hash = '#/sandboxes'`);
  const rows = page.locator('main tbody tr');
  await page.getByText('s-0', { exact: true }).waitFor();
  expect(
    await eventually(
      () => rows.count(),
      (count) => count === SANDBOXES,
    ),
  ).toBe(SANDBOXES);
  const figures = async (): Promise<string> => (await page.locator('main tbody').textContent()) ?? '';
  const first = await figures();
  await page.evaluate(WATCH_TASKS);
  const watched = await measured();
  expect(await eventually(figures, (text) => text !== first)).not.toBe(first);
  const longest = await page.evaluate<number>('window.longest');
  process.stdout.write(
    `console over ${SANDBOXES} sandboxes: longest task ${longest} ms, daemon ${(alone * 100).toFixed(1)} % alone, ${(watched * 100).toFixed(1)} % watched\n`,
  );
  if (isLoad) {
    expect(longest).toBeLessThan(100);
    expect(watched - alone).toBeLessThan(0.03);
  }
  expect(visit.complaints).toEqual([]);
});
