// The console in a real browser: Debian's chromium, driven by playwright-core. Notes whatever a page should never say.

import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';
/** Ignored by git; one picture of each page and width. */
const PICTURES = join(import.meta.dirname, '../results/console');
/** How long anything is waited for; only guards against a hang. */
const PATIENCE_MS = 90_000;
const WIDTHS = { wide: { width: 1280, height: 860 }, narrow: { width: 390, height: 844 } } as const;

/** Run in the page, so they are text here. */
const TELL_VIOLATIONS = `document.addEventListener('securitypolicyviolation', (event) =>
  console.error('policy: ' + [event.violatedDirective, event.blockedURI, event.sample, event.sourceFile, event.lineNumber].join(' ')))`;
const RUN_AXE = `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
  violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + ': ' + target.join(' ') + ' ' + failureSummary)))`;

export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors and warnings of console and policy, and requests that left the daemon's origin. */
  readonly complaints: string[];
}

export interface ConsoleBrowserOptions {
  /** Of the daemon, http. */
  readonly url: string;
}

export class ConsoleBrowser implements AsyncDisposable {
  readonly #browser: Browser;
  readonly #url: string;
  #axe: string | null = null;

  private constructor(browser: Browser, url: string) {
    this.#browser = browser;
    this.#url = url;
  }

  static async launch({ url }: ConsoleBrowserOptions): Promise<ConsoleBrowser> {
    await mkdir(PICTURES, { recursive: true });
    // Safe because: only our own pages and those of our own sandboxes are opened; as root chromium can't have its own sandbox.
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
    return new ConsoleBrowser(browser, url);
  }

  /** A browser of its own, with nothing stored. */
  async visit(size: keyof typeof WIDTHS = 'wide', colorScheme: 'light' | 'dark' = 'light'): Promise<Visit> {
    const context = await this.#browser.newContext({ viewport: WIDTHS[size], colorScheme, reducedMotion: 'reduce' });
    const complaints: string[] = [];
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(`${message.type()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('popup', (popup) => complaints.push(`popup: ${popup.url()}`));
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== this.#url) complaints.push(`foreign request: ${request.url()}`);
    });
    await page.addInitScript(TELL_VIOLATIONS);
    await page.goto(this.#url);
    return { page, context, complaints };
  }

  async signIn({ page }: Visit, token: string): Promise<void> {
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
  }

  async picture({ page }: Visit, name: string): Promise<void> {
    await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
  }

  /** What axe finds serious or critical, with where it is. */
  async accessibility({ page }: Visit): Promise<string[]> {
    this.#axe ??= await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    // In the browser's own right, which the policy of the page does not bind.
    await page.evaluate(this.#axe);
    return await page.evaluate<string[]>(RUN_AXE);
  }

  /** How much wider than the window the page is. */
  async overflow({ page }: Visit): Promise<number> {
    return await page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
