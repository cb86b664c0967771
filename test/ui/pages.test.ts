import { gzipSync } from 'node:zlib';
import { readdirSync, readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BrowserUnderTest, keepScreenshot, processorSeconds, seriousViolations } from '../helpers/browser.js';
import { projectPath } from '../helpers/project-files.js';
import { ServiceProcess } from '../helpers/service-process.js';

/** Every page of the web UI, in a real browser, against a real process. */

const GZIP_BYTES_MAX = 350 * 1024;
const USABLE_MS = 15_000;

/** A page, and what has to be seen on it. */
const pages: readonly (readonly [id: string, shows: string])[] = [
  ['overview', 'Requests per second'],
  ['graph', 'spending'],
  ['graph/orders', 'Where event time stands'],
  ['graph/revenue', 'What the windows wait for'],
  ['state', 'State of a key'],
  ['checkpoints', 'Bytes written'],
  ['topics', 'revenue'],
  ['topics/shop.requests.orders', 'Partitions'],
  ['requests', 'POST /refunds'],
  ['workers', 'worker-1'],
  ['exceptions', 'an order over -5'],
  ['configuration', 'checkpointIntervalMs'],
];

describe('the web UI', () => {
  let service: ServiceProcess;
  let browser: BrowserUnderTest;
  let pending: Promise<unknown>;
  const open = new Set<Page>();

  const visit = async (hash: string, options = {}): Promise<Page> => {
    const page = await browser.open(`${service.url}/ui/#/${hash}`, options);
    open.add(page);
    await page.getByText('Live', { exact: true }).waitFor();
    return page;
  };

  beforeAll(async () => {
    [service, browser] = await Promise.all([
      ServiceProcess.start({ job: 'ui-shop', args: ['--parallelism', '2'] }),
      BrowserUnderTest.launch(),
    ]);
    const at = Date.now();
    for (let index = 0; index < 60; index++) {
      const customer = index % 2 === 0 ? 'alice' : `customer-${String(index)}`;
      await service.post('/orders', {
        customer,
        amount: index,
        product: `product-${String(index % 5)}`,
        at: at + index * 100,
      });
    }
    await service.post('/orders', { customer: 'eve', amount: -5, product: 'none', at });
    pending = service.post('/refunds', { id: 1 }).catch(() => undefined);
  });

  afterEach(async () => {
    for (const page of open) await page.context().close();
    open.clear();
    expect(browser.faults.splice(0)).toEqual([]);
  });

  afterAll(async () => {
    await browser.close();
    await service.dispose();
    await pending;
  });

  it.each(pages)(
    'shows %s, in light and dark, without a serious fault for people who use it otherwise',
    async (id, shows) => {
      const page = await visit(id, { colorScheme: 'light' });
      await page.getByText(shows).first().waitFor();
      await keepScreenshot(page, `${id.replaceAll('/', '-')}-light`);
      expect(await seriousViolations(page)).toEqual([]);
      await page.getByRole('button', { name: 'Use dark colours' }).click();
      await page.getByRole('button', { name: 'Use light colours' }).waitFor();
      await keepScreenshot(page, `${id.replaceAll('/', '-')}-dark`);
      expect(await seriousViolations(page)).toEqual([]);
    },
  );

  it.each(pages)('fits a phone: %s', async (id, shows) => {
    const page = await visit(id, { viewport: { width: 390, height: 844 }, hasTouch: true });
    await page.getByRole('navigation', { name: 'Pages' }).waitFor();
    await page.getByText(shows).first().waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    await keepScreenshot(page, `${id.replaceAll('/', '-')}-phone`);
  });

  it('shows the subtasks of a task without a cut, and how full its rings are', async () => {
    const page = await visit('graph/revenue');
    const panel = page.getByRole('complementary', { name: 'Task revenue' });
    await panel.getByRole('columnheader', { name: 'Watermark' }).waitFor();
    // A watermark is a date: as wide as it gets.
    await panel
      .getByRole('cell', { name: /^\d+ \w+ \d{4}/ })
      .first()
      .waitFor();
    const cut = `(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.vertex-panel .table-frame'))`;
    expect(await page.evaluate(cut)).toBeLessThanOrEqual(0);
    await panel.getByRole('meter', { name: 'Fullest ring from orders to revenue' }).waitFor();
  });

  it('counts the records of the graph as they come', async () => {
    const page = await visit('graph/orders');
    const panel = page.getByRole('complementary', { name: 'Task orders' });
    await panel
      .getByText(/^worker-[01]$/)
      .first()
      .waitFor();
    await service.post('/orders', { customer: 'bob', amount: 1, product: 'p', at: Date.now() });
    await page.getByRole('button', { name: 'Show as list' }).click();
    await page.getByRole('link', { name: /Window/ }).waitFor();
  });

  it('finds a record in a topic, and shows it whole', async () => {
    const page = await visit('topics');
    await page.getByRole('link', { name: 'shop.requests.orders', exact: true }).click();
    const first = page.getByRole('region', { name: 'Records' }).getByRole('button').first();
    await first.click();
    await page.getByText('"customer":').first().waitFor();
    await page.getByRole('heading', { name: 'Headers' }).waitFor();
    await keepScreenshot(page, 'record');
  });

  it('finds operator, state and key by choice, and says when there is nothing', async () => {
    const page = await visit('state');
    await page.getByRole('combobox', { name: 'Operator' }).selectOption('spending');
    const state = page.getByRole('combobox', { name: 'State' });
    await expect.poll(() => state.inputValue()).toBe('total');
    const key = page.getByRole('combobox', { name: 'Key' });
    await expect.poll(() => page.locator('#frequent-keys option').count()).toBeGreaterThan(3);
    expect(await page.locator('#frequent-keys option').first().getAttribute('value')).toBe('alice');
    await key.fill('nobody');
    await page.getByRole('button', { name: 'Look' }).click();
    await page.getByText('holds nothing for this key').waitFor();
    // The browser notes each answer that is not 2xx.
    expect(browser.faults.splice(0).every((fault) => fault.includes('404'))).toBe(true);
    await key.fill('alice');
    await page.keyboard.press('Enter');
    await page.getByRole('region', { name: 'Value' }).getByText('870').waitFor();
    await keepScreenshot(page, 'state-of-alice');
  });

  it('opens a checkpoint, and says what each worker did for it', async () => {
    const page = await visit('checkpoints');
    await page.getByRole('region', { name: 'Checkpoints' }).getByRole('button').first().click();
    await page
      .getByText(/acknowledged after/)
      .first()
      .waitFor();
  });

  it('shows the way of a traced request, operator by operator', async () => {
    const order = { customer: 'alice', amount: 0, product: 'product-0', at: Date.now() };
    const answer = await service.post('/orders', order, { 'millrace-trace': '1' });
    const id = answer.headers.get('x-request-id') ?? '';
    const page = await visit('requests');
    await page.getByRole('region', { name: 'Traces' }).getByRole('link', { name: id }).click();
    const steps = page.getByRole('region', { name: 'Steps of the request' });
    await steps.getByText('total: 1 read, 1 written').waitFor();
    await steps.getByText('reply', { exact: true }).waitFor();
    await keepScreenshot(page, 'trace');
    expect(await seriousViolations(page)).toEqual([]);
  });

  it('shows which keys come most often', async () => {
    const page = await visit('graph/orders');
    await page.getByRole('list', { name: 'Hot keys of spending' }).getByText('alice').waitFor();
    await keepScreenshot(page, 'hot-keys');
  });

  it('finds a setting', async () => {
    const page = await visit('configuration');
    await page.getByRole('searchbox', { name: 'Find' }).fill('ringbytes');
    await expect.poll(() => page.getByRole('row').count(), { timeout: 60_000 }).toBe(2);
  });

  it('goes anywhere by keyboard', async () => {
    const page = await visit('overview');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('g');
    await page.keyboard.press('w');
    await page.getByRole('heading', { name: 'Workers' }).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('g');
    const task = page.getByLabel('Task Source: POST /refunds', { exact: false });
    await task.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('complementary', { name: 'Task refunds' }).waitFor();
  });

  it('is small', () => {
    const folder = projectPath('dist/ui');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
      /\.(js|css|html|svg)$/.test(path),
    );
    const bytes = files.reduce((sum, path) => sum + gzipSync(readFileSync(`${folder}/${path}`)).length, 0);
    expect(files.length).toBeGreaterThan(3);
    expect(bytes).toBeLessThan(GZIP_BYTES_MAX);
  });

  it('takes a checkpoint when asked twice', async () => {
    const page = await visit('overview');
    await page.getByRole('button', { name: 'Actions' }).click();
    await page.getByRole('menuitem', { name: 'Take a checkpoint' }).click();
    const dialog = page.getByRole('dialog', { name: 'Take a checkpoint now?' });
    await dialog.getByRole('button', { name: 'Take checkpoint' }).click();
    await dialog.getByText(/Checkpoint \d+ is complete/).waitFor();
    expect(await seriousViolations(page)).toEqual([]);
    await keepScreenshot(page, 'action-checkpoint');
    await dialog.getByRole('button', { name: 'Close' }).click();
    await dialog.waitFor({ state: 'hidden' });
  });

  it('rescales the job in place', async () => {
    const page = await visit('workers');
    await page.getByRole('button', { name: 'Actions' }).click();
    await page.getByRole('menuitem', { name: 'Rescale…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Move to another number of workers?' });
    await dialog.getByRole('spinbutton', { name: 'Worker threads' }).fill('3');
    await dialog.getByRole('button', { name: 'Rescale' }).click();
    await dialog.getByText('The job runs on 3 workers.').waitFor();
    await keepScreenshot(page, 'action-rescale');
    await dialog.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('heading', { name: 'worker-2' }).waitFor();
  });

  it('restarts the job, and goes on showing it', async () => {
    const page = await visit('workers');
    await page.getByRole('button', { name: 'Actions' }).click();
    await page.getByRole('menuitem', { name: 'Restart…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Restart the job?' });
    await keepScreenshot(page, 'action-restart');
    expect(await seriousViolations(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Keep as it is' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Actions' }).click();
    await page.getByRole('menuitem', { name: 'Restart…' }).click();
    await dialog.getByRole('button', { name: 'Restart job' }).click();
    await dialog.getByText(/The job runs again, from checkpoint \d+\./).waitFor();
    await keepScreenshot(page, 'action-restarted');
    await dialog.getByRole('button', { name: 'Close' }).click();
    const answer = await service.post('/orders', { customer: 'bob', amount: 1, product: 'p', at: Date.now() });
    expect(answer.status).toBe(200);
    await page.getByText('Live', { exact: true }).waitFor();
  });

  it('takes a savepoint, and says where it lies', async () => {
    const page = await visit('overview');
    await page.getByRole('button', { name: 'Actions' }).click();
    await page.getByRole('menuitem', { name: 'Take a savepoint…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Take a savepoint now?' });
    await dialog.getByRole('button', { name: 'Take savepoint' }).click();
    await dialog.getByText(/The savepoint lies in \S+/).waitFor();
    await keepScreenshot(page, 'action-savepoint');
  });
});

describe('a graph of two hundred tasks', () => {
  it('is drawn within a second of being asked for', async () => {
    const [service, browser] = await Promise.all([
      ServiceProcess.start({ job: 'ui-wide', args: ['--parallelism', '1', '--ring-bytes', '65536'] }),
      BrowserUnderTest.launch(),
    ]);
    try {
      const page = await browser.open(`${service.url}/ui/`);
      await page.getByText('Live', { exact: true }).waitFor();
      // Its code and the browser's have been loaded before: what is asked is how long the graph takes.
      await page.goto(`${service.url}/ui/#/graph`);
      await page.locator('[data-vertex-count="200"] .react-flow__node').first().waitFor();
      await page.goto(`${service.url}/ui/#/overview`);
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      const seconds = await processorSeconds(page);
      const before = await seconds();
      await page.evaluate(`(async () => {
        location.hash = '#/graph';
        while (document.querySelectorAll('.react-flow__node').length < 200) {
          await new Promise((resolve) => requestAnimationFrame(resolve));
        }
      })()`);
      expect((await seconds()) - before).toBeLessThan(1);
      await keepScreenshot(page, 'graph-of-200');
    } finally {
      await browser.close();
      await service.dispose();
    }
  });
});

describe('while every worker has more to do than it can', () => {
  it('pages come and go on, and what is asked for is done', async () => {
    const [service, browser] = await Promise.all([
      ServiceProcess.start({ job: 'ui-saturated', args: ['--parallelism', '2'] }),
      BrowserUnderTest.launch(),
    ]);
    /** Of each subtask, in milliseconds per second. */
    const busy = async (): Promise<readonly number[]> => {
      const text = await (await service.fetch('/metrics')).text();
      return [...text.matchAll(/^millrace_task_busy_time_ms_per_second\{.*\} ([\d.]+)$/gm)].map(([, value]) =>
        Number(value),
      );
    };
    try {
      const page = await browser.open(`${service.url}/ui/#/overview`);
      // Longer than this nobody would call it usable, on whatever machine.
      page.setDefaultTimeout(USABLE_MS);
      await page.getByText('Live', { exact: true }).waitFor();
      for (const [id, shows] of [
        ['graph', 'counts'],
        ['workers', 'worker-1'],
        ['checkpoints', 'Bytes written'],
        ['state', 'State of a key'],
      ] as const) {
        await page.goto(`${service.url}/ui/#/${id}`);
        await page.getByText(shows).first().waitFor();
      }
      await page.getByRole('combobox', { name: 'Operator' }).selectOption('counts');
      await expect
        .poll(() => page.getByRole('combobox', { name: 'State' }).inputValue(), { timeout: 15_000 })
        .toBe('count');
      await page.getByRole('combobox', { name: 'Key' }).fill('7');
      await page.getByRole('button', { name: 'Look' }).click();
      await page.getByRole('region', { name: 'Value' }).getByText(/^\d+$/).waitFor();
      await page.getByRole('button', { name: 'Actions' }).click();
      await page.getByRole('menuitem', { name: 'Take a checkpoint' }).click();
      const dialog = page.getByRole('dialog', { name: 'Take a checkpoint now?' });
      await dialog.getByRole('button', { name: 'Take checkpoint' }).click();
      await dialog.getByText(/Checkpoint \d+ is complete/).waitFor();
      await dialog.getByRole('button', { name: 'Close' }).click();
      await page.goto(`${service.url}/ui/#/graph`);
      // The stream of events goes on: what the page says changes by itself.
      const drawn = (): Promise<string> => page.locator('.react-flow').innerText();
      const seen = await drawn();
      await expect.poll(drawn, { timeout: USABLE_MS }).not.toBe(seen);
      await keepScreenshot(page, 'saturated');
      // Two subtasks of the source, and two that count.
      expect(await busy()).toHaveLength(4);
      await expect.poll(async () => Math.min(...(await busy())), { timeout: USABLE_MS }).toBeGreaterThan(900);
      expect(browser.faults).toEqual([]);
    } finally {
      await browser.close();
      await service.dispose();
    }
  });
});

describe('cancelling the job', () => {
  it('asks first, and ends the process in order', async () => {
    const [service, browser] = await Promise.all([ServiceProcess.start({ job: 'ui-shop' }), BrowserUnderTest.launch()]);
    try {
      const page = await browser.open(`${service.url}/ui/`);
      await page.getByRole('button', { name: 'Actions' }).click();
      await page.getByRole('menuitem', { name: 'Cancel the job…' }).click();
      const dialog = page.getByRole('dialog', { name: 'Cancel the job?' });
      await keepScreenshot(page, 'action-cancel');
      await dialog.getByRole('button', { name: 'Keep as it is' }).click();
      expect(service.hasEnded).toBe(false);
      await page.getByRole('button', { name: 'Actions' }).click();
      await page.getByRole('menuitem', { name: 'Cancel the job…' }).click();
      await dialog.getByRole('button', { name: 'Cancel job' }).click();
      expect(await service.ended).toEqual({ code: 0, signal: null });
      await page.getByText('Connection lost').waitFor();
      await keepScreenshot(page, 'connection-lost');
    } finally {
      await browser.close();
      await service.dispose();
    }
  });
});
