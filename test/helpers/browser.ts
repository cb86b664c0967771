import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { projectPath } from './project-files.js';

/** Debian's package `chromium`; anything else by `CHROMIUM`. */
const EXECUTABLE = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** No window, and nothing that a browser does by itself over the network. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Longest wait for something to appear: a bound against hanging. */
export const WAIT_MS = 60_000;

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const screenshots = projectPath('build/screenshots');

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
}

/** A real browser, and what went wrong in its pages. */
export class BrowserUnderTest {
  readonly #browser: Browser;
  /** Errors of scripts, refused resources, requests to anywhere else than the process. */
  readonly faults: string[] = [];

  private constructor(browser: Browser) {
    this.#browser = browser;
    mkdirSync(screenshots, { recursive: true });
  }

  static async launch(): Promise<BrowserUnderTest> {
    return new BrowserUnderTest(await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS }));
  }

  /** A page in a profile of its own, on which faults are noted. */
  async open(url: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1360, height: 860 }, ...options });
    context.setDefaultTimeout(WAIT_MS);
    const page = await context.newPage();
    page.on('pageerror', (error) => this.faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.faults.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(new URL(url).origin)) this.faults.push(`asked for ${request.url()}`);
    });
    await page.goto(url);
    return page;
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }
}

/** Keeps what a page looks like in build/screenshots. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${screenshots}/${name}.png` });
}

/** Reads what the page's main thread has used of a processor: other programs on the machine are not in it. */
export async function processorSeconds(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN;
  };
}

/** What axe finds wrong with a page, and takes for serious. */
export async function seriousViolations(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const results = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run: () => Promise<AxeResults> } }).axe.run(),
  );
  return results.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
}
