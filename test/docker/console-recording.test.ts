// The console replays what was recorded: with the keyboard alone, on a narrow screen, after the session's end, and it obeys nothing of it.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ConsoleBrowser, type Visit } from '../support/console-browser.ts';
import { consoleWorld, type ConsoleWorld } from '../support/console-world.ts';
import { eventually } from '../support/eventually.ts';

/** Only guards against a hang; a browser takes its time on a busy machine. */
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let world: ConsoleWorld;
let browser: ConsoleBrowser;
let visit: Visit;
beforeAll(async () => {
  world = await consoleWorld();
  browser = await ConsoleBrowser.launch(world);
  visit = await browser.visit('narrow', 'dark');
  await browser.signIn(visit, await world.daemon.token(null, { role: 'operator' }));
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

const goTo = (path: string) => visit.page.evaluate(`location.hash = ${JSON.stringify(`#/${path}`)}`);

test('plays, seeks and changes its speed from the keyboard, and what tenants wrote stays cells on a screen', async () => {
  const { page } = visit;
  await goTo(`sandboxes/${world.busy.id}/recording`);
  const screen = page.getByRole('region', { name: 'Replay' });
  const place = page.getByRole('slider', { name: 'Place in the recording' });
  const at = async (): Promise<number> => Number(await place.inputValue());
  await screen.getByText('mkdir src').first().waitFor();
  await place.focus();
  await page.keyboard.press('End');
  await screen
    .getByText(/tick \d+/)
    .first()
    .waitFor();
  expect(await page.title()).toBe('Sandboxes · Cloister');
  expect(await screen.locator('a, script, img').count()).toBe(0);
  await page.keyboard.press('Home');
  await screen.getByText('mkdir src').first().waitFor();
  await page.getByLabel('Speed').selectOption({ label: '20×' });
  await page.getByRole('button', { name: 'Play' }).focus();
  await page.keyboard.press('Enter');
  expect(await eventually(at, (ms) => ms > 0)).toBeGreaterThan(0);
  expect(await browser.overflow(visit)).toBe(0);
  expect(visit.complaints).toEqual([]);
});

test('shows what a session did after its end, and only where it was recorded', async () => {
  const { page } = visit;
  await world.quiet.exec('echo the last words');
  const { id } = world.quiet;
  await world.quiet.close();
  await goTo(`sandboxes/${id}`);
  await page.getByRole('region', { name: 'Replay' }).getByText('the last words').first().waitFor();
  await goTo(`sandboxes/sb_${'a'.repeat(20)}`);
  await page.getByText('its audit records').waitFor();
  expect(
    await eventually(
      () => page.getByRole('region', { name: 'Replay' }).count(),
      (count) => count === 0,
    ),
  ).toBe(0);
});
