// The console in a real browser over a real daemon: every page at both widths, what it does, and what no role can make it do.
// Pictures of every page are left in test/results/console.

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ConsoleBrowser, type Visit } from '../support/console-browser.ts';
import { consolePages, consoleWorld, type ConsoleWorld } from '../support/console-world.ts';
import { eventually } from '../support/eventually.ts';

/** Only guards against a hang; a page of figures takes its time on a busy machine. */
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let world: ConsoleWorld;
let browser: ConsoleBrowser;
let operator: Visit;
beforeAll(async () => {
  world = await consoleWorld();
  browser = await ConsoleBrowser.launch(world);
  operator = await browser.visit();
  await browser.signIn(operator, await world.daemon.token(null, { role: 'operator' }));
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

const goTo = ({ page }: Visit, path: string) => page.evaluate(`location.hash = ${JSON.stringify(`#/${path}`)}`);
const ofBusy = (tab = '') => `sandboxes/${world.busy.id}${tab === '' ? '' : `/${tab}`}`;

describe('every page', () => {
  let asked: Promise<string>;
  beforeAll(() => {
    asked = world.ask('deploy --to production');
  });

  test.each([
    ['wide', 'light'],
    ['narrow', 'dark'],
  ] as const)('%s and %s: complete, accessible, nothing to complain of', async (size, scheme) => {
    const visit = await browser.visit(size, scheme);
    await browser.picture(visit, `login-${size}`);
    const found: Record<string, unknown> = { login: await browser.accessibility(visit) };
    await browser.signIn(visit, await world.daemon.token(null, { role: 'operator' }));
    for (const [name, path, sign] of consolePages(world.busy.id)) {
      await goTo(visit, path);
      await visit.page.locator('main').getByText(sign).filter({ visible: true }).first().waitFor();
      await browser.picture(visit, `${name}-${size}`);
      const isTooWide = (await browser.overflow(visit)) > 0;
      found[name] = [...(await browser.accessibility(visit)), ...(isTooWide ? ['wider than the window'] : [])];
    }
    expect(found).toEqual(Object.fromEntries(['login', ...consolePages(world.busy.id).map(([name]) => name)].map((name) => [name, []])));
    expect(visit.complaints).toEqual([]);
    await visit.context.close();
  });

  test('answers the question that waits: denied, it does not start', async () => {
    await goTo(operator, 'confirmations');
    await operator.page.getByRole('button', { name: 'Deny' }).click();
    expect(await asked).toBe('denied');
    await operator.page.getByText('Nothing waits for an answer.').waitFor();
  });
});

describe('what a tenant chose', () => {
  test('is cells on a screen and nothing else: no title, link, markup or answer', async () => {
    const { page } = operator;
    await goTo(operator, ofBusy('commands/hostile'));
    const screen = page.getByRole('region', { name: 'Output' });
    await screen.getByText('true-colour').first().waitFor();
    await page.getByText('exit 3', { exact: true }).waitFor();
    expect(await page.title()).toBe('Sandboxes · Cloister');
    expect(await screen.locator('a, script, img').count()).toBe(0);
    await screen.getByText('click-me').first().click({ force: true });
    expect(page.context().pages()).toHaveLength(1);
    await goTo(operator, 'sandboxes');
    await page.getByText('agent=<img src=x onerror').waitFor();
    expect(await page.locator('main img').count()).toBe(0);
    await goTo(operator, ofBusy('files/README.md'));
    await page.getByText('\\x1b[31m').waitFor();
    expect(operator.complaints).toEqual([]);
  });
});

describe('an operator', () => {
  test('sees output as it comes, and kills the command', async () => {
    const { page } = operator;
    await goTo(operator, ofBusy('commands/ticking'));
    const screen = page.getByRole('region', { name: 'Output' });
    const last = async () => Math.max(0, ...[...((await screen.textContent()) ?? '').matchAll(/tick (\d+)/g)].map(([, n]) => Number(n)));
    const first = await eventually(last, (n) => n > 0);
    expect(await eventually(last, (n) => n > first)).toBeGreaterThan(first);
    await page.getByRole('button', { name: 'Kill' }).click();
    await page.getByText(/by operator:/).waitFor();
    expect(await world.busy.attach('ticking')).toMatchObject({ outcome: 'killed', by: expect.stringMatching(/^operator:/) });
  });

  test('approves a question, with the keyboard alone', async () => {
    const { page } = operator;
    const asked = world.ask('deploy || true');
    await goTo(operator, 'confirmations');
    await page.getByRole('button', { name: 'Approve once' }).focus();
    await page.keyboard.press('Enter');
    expect(await asked).toBe('exited');
  });

  test('is told what would be said of an address and of a command', async () => {
    const { page } = operator;
    const explain = async (label: string, text: string) => {
      await page.getByLabel(label).fill(text);
      await page.keyboard.press('Enter');
    };
    await goTo(operator, ofBusy('egress'));
    await explain('URL or host:port', 'http://10.0.0.1/');
    await page.locator('.verdict').getByText('deny').waitFor();
    await goTo(operator, ofBusy('permissions'));
    await explain('Command', 'rm -rf /');
    await page.locator('.verdict').getByText('floor.recursiveDelete').waitFor();
    await goTo(operator, 'policy');
    await explain('URL or host:port', 'https://metadata.google.internal/');
    await page.locator('.verdict').getByText('builtin:internal').waitFor();
    expect(operator.complaints).toEqual([]);
  });

  test('finds a record of the audit log, and sandboxes by tenant, state and label', async () => {
    const { page } = operator;
    await goTo(operator, 'audit');
    await page.getByLabel('Kind').selectOption('decision');
    await page.getByLabel('Text anywhere').fill('recursiveDelete');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.locator('.records li').filter({ hasText: 'the floor refuses it' }).first().click();
    await page.getByText('"rule": "floor.recursiveDelete"').waitFor();
    await goTo(operator, 'sandboxes');
    const rows = page.locator('tbody tr');
    await eventually(
      () => rows.count(),
      (count) => count === 2,
    );
    await page.getByLabel('Filter by name or label').fill('channel=canary');
    await eventually(
      () => rows.count(),
      (count) => count === 1,
    );
    expect(await rows.allTextContents()).toEqual([expect.stringContaining('build-42')]);
    await page.getByLabel('Filter by name or label').fill('');
    await page.getByLabel('Tenant').selectOption('globex');
    await page.getByText('1 of 2').waitFor();
    expect(await rows.allTextContents()).toEqual([expect.stringContaining('quiet')]);
    await page.getByLabel('State').selectOption('paused');
    await page.getByText('None matches these filters.').waitFor();
  });

  test('compares the workspace with a snapshot taken here', async () => {
    const { page } = operator;
    await goTo(operator, ofBusy('changes'));
    await page.getByRole('button', { name: 'Take a snapshot' }).click();
    await page.getByText('Nothing has changed since.').waitFor();
    await world.busy.files.write('later.txt', 'x');
    await page.getByRole('button', { name: 'Compare again' }).click();
    await page.locator('tr').filter({ hasText: 'later.txt' }).getByText('created').waitFor();
    expect(operator.complaints).toEqual([]);
  });

  test('pauses, resumes, extends and closes a sandbox', async () => {
    const { page } = operator;
    const { id } = world.quiet;
    const client = await world.daemon.connect('globex');
    const info = async () => (await client.list()).find((sandbox) => sandbox.id === id);
    await goTo(operator, `sandboxes/${id}`);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    expect((await info())?.state).toBe('running');
    await page.getByRole('button', { name: 'Extend' }).click();
    await page.getByLabel('From now on it may live for').selectOption('8 hours');
    await page.getByRole('dialog').getByRole('button', { name: 'Extend' }).click();
    const extended = await eventually(info, (now) => now?.expiresAt !== null);
    expect(Date.parse(extended?.expiresAt ?? '') - Date.now()).toBeGreaterThan(7 * 3_600_000);
    const close = page.getByRole('button', { name: 'Close', exact: true });
    await close.click();
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect((await info())?.state).toBe('running');
    await close.click();
    await page.getByLabel('Delete it').check();
    await page.getByRole('button', { name: 'Close it' }).click();
    expect(await eventually(info, (now) => now === undefined)).toBeUndefined();
    await page.getByRole('heading', { name: 'Sandboxes' }).waitFor();
    expect(operator.complaints).toEqual([]);
  });
});

describe('others', () => {
  test('an observer sees its tenant and can not act', async () => {
    const visit = await browser.visit();
    const { page } = visit;
    await browser.signIn(visit, await world.daemon.token('acme', { role: 'observer' }));
    await goTo(visit, ofBusy('commands/hostile'));
    await page.getByText('You may look, not act.').waitFor();
    await page.getByRole('region', { name: 'Output' }).getByText('true-colour').first().waitFor();
    for (const name of ['Pause', 'Extend', 'Close', 'Kill', 'Interrupt'])
      expect(await page.getByRole('button', { name, exact: true }).count()).toBe(0);
    await goTo(visit, ofBusy('files'));
    await page.getByText('An observer sees commands and decisions, not files.').waitFor();
    await goTo(visit, 'confirmations');
    await page.getByText('Only operators see and answer').waitFor();
    await goTo(visit, 'doctor');
    await page.getByText('Only operators may examine the host.').waitFor();
    await browser.picture(visit, 'doctor-observer');
    expect(visit.complaints).toEqual([]);
    await visit.context.close();
  });

  test("a tenant sees nothing of another's, and reads its own files", async () => {
    const visit = await browser.visit('narrow');
    const { page } = visit;
    await browser.signIn(visit, await world.daemon.token('globex'));
    await browser.picture(visit, 'overview-tenant');
    await goTo(visit, ofBusy());
    await page.getByRole('alert').getByText('there is none of this id').waitFor();
    await visit.context.close();
    const own = await browser.visit();
    await browser.signIn(own, await world.daemon.token('acme'));
    await goTo(own, ofBusy('files/src'));
    await own.page.getByText('main.py').waitFor();
    expect(own.complaints).toEqual([]);
    await own.context.close();
  });
});

describe('a preview of a port', () => {
  test("runs the tenant's page on an origin of its own, from which the API can't be reached and nothing is shared", async () => {
    const { busy } = world;
    const script = `document.cookie = 'own=1'; fetch('/data.json').then((r) => r.json()).then(({ x }) => (document.title = 'data ' + x))`;
    await busy.files.write('web/index.html', `<!doctype html><p id="p">tenant's</p><script src="app.js"></script>`);
    await busy.files.write('web/app.js', script);
    await busy.files.write('web/data.json', '{"x":42}');
    const server = busy.exec('cd web && python3 -u -m http.server 8000 --bind 127.0.0.1 2>&1', { background: true, id: 'web' });
    for await (const { text } of server) if (text.includes('Serving HTTP')) break;
    const page = await operator.context.newPage();
    await page.goto(await busy.ports.url(8000));
    await eventually(
      () => page.title(),
      (title) => title === 'data 42',
    );
    expect(await page.title()).toBe('data 42');
    expect(new URL(page.url()).origin).not.toBe(world.url);
    expect(page.url()).not.toContain('ticket');
    // The pass that lets the browser in is not the page's to read.
    expect(await page.evaluate('document.cookie')).toBe('own=1');
    expect(await page.evaluate('({ ...sessionStorage, ...localStorage })')).toEqual({});
    expect(await page.evaluate(`fetch('${world.url}/v1/self').then((r) => r.status, () => 'blocked')`)).toBe('blocked');
    await page.close();
  });
});

describe('the token', () => {
  test('is in no address and no storage unless its owner asked for that, and gone after signing out', async () => {
    const visit = await browser.visit();
    const { page } = visit;
    const token = await world.daemon.token('acme');
    const addresses: string[] = [];
    page.on('request', (request) => addresses.push(request.url()));
    page.on('websocket', (socket) => addresses.push(socket.url()));
    const stored = () =>
      page.evaluate<string>('JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, location.href])');
    await browser.signIn(visit, token);
    await goTo(visit, ofBusy('commands/hostile'));
    await page.getByText('exit 3', { exact: true }).waitFor();
    expect(await stored()).not.toContain(token);
    expect(addresses.join(' ')).not.toContain(token);
    await page.reload();
    await page.getByLabel('Token').fill(token);
    await page.getByLabel('Remember it in this tab').check();
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();
    expect(await stored()).not.toContain(token);
    expect(visit.complaints).toEqual([]);
    await visit.context.close();
  });

  test('that is none is refused with the reason', async () => {
    const visit = await browser.visit();
    await visit.page.getByLabel('Token').fill('nonsense');
    await visit.page.getByRole('button', { name: 'Sign in' }).click();
    await visit.page.getByRole('alert').waitFor();
    expect(await visit.page.getByRole('heading', { name: 'Overview' }).count()).toBe(0);
    await visit.context.close();
  });
});
