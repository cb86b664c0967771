import { describe, expect, it, vi } from 'vitest';
import { ServiceProcess } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

const IDS = Array.from({ length: 40 }, (_, id) => id);
/** Callers that order one thing after the other until the process is gone. */
const CALLERS = 20;
const ANSWERS_BEFORE_KILL = 100;
const WAIT = { timeout: 30_000, interval: 50 };

const completed = (service: ServiceProcess): Promise<number | undefined> =>
  service.metric('millrace_checkpoints_completed_total');

async function start(dataDir: string, backend: string, parallelism: number): Promise<ServiceProcess> {
  const args = `--state-backend ${backend} --parallelism ${String(parallelism)} --checkpoint-interval-ms 100ms`;
  return ServiceProcess.start({ dataDir, job: 'scatter', args: args.split(' ') });
}

async function order(
  service: ServiceProcess,
  id: number,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await service.post('/orders', { id, hasPrice: true });
  return { status: response.status, body: await response.json() };
}

interface Orders {
  readonly sent: readonly number[];
  readonly answered: readonly number[];
}

/** Kills the process in the middle of a load: each caller has an order under way then. */
async function killUnderLoad(service: ServiceProcess): Promise<Orders> {
  const sent: number[] = [];
  const answered: number[] = [];
  const call = async (): Promise<void> => {
    for (;;) {
      const id = 5_000 + sent.length;
      sent.push(id);
      const answer = await order(service, id).catch(() => null);
      if (answer === null) return;
      answered.push(id);
      if (answered.length === ANSWERS_BEFORE_KILL) service.signal('SIGKILL');
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, call));
  await service.ended;
  return { sent, answered };
}

const countOf = (answer: unknown): number => (answer as { readonly count: number }).count;

/** An order whose price nobody knows. @returns where its answer will be. */
async function orderWithoutPrice(service: ServiceProcess, id: number): Promise<string> {
  const response = await service.post('/orders', { id }, { prefer: 'respond-async' });
  expect(response.status).toBe(202);
  const location = response.headers.get('location');
  if (location === null) throw new Error('no place to poll');
  return location;
}

describe.each(['heap', 'lmdb'])('a service that scatters and gathers on the backend %s', (backend) => {
  it('answers every request once through kill -9, those that were waiting by their timers', async () => {
    await withTemporaryDirectory(async (dataDir) => {
      const first = await start(dataDir, backend, 2);
      let places: string[];
      let orders: Orders;
      try {
        const answers = await Promise.all(IDS.map((id) => order(first, id)));
        expect(answers).toEqual(
          IDS.map((id) => ({ status: 200, body: { id, stock: id + 1, price: id * 10, count: 1 } })),
        );
        places = await Promise.all(IDS.map((id) => orderWithoutPrice(first, 1_000 + id)));
        // Two more checkpoints: the second one began after the requests, so that only its state knows of them.
        const before = (await completed(first)) ?? 0;
        await vi.waitFor(async () => expect(await completed(first)).toBeGreaterThanOrEqual(before + 2), WAIT);
        orders = await killUnderLoad(first);
      } finally {
        await first.dispose();
      }

      const second = await start(dataDir, backend, 3);
      try {
        for (const [index, place] of places.entries()) {
          const id = 1_000 + index;
          const answer = await vi.waitFor(async () => {
            const response = await second.fetch(place);
            expect(response.status).toBe(200);
            return response.json();
          }, WAIT);
          expect(answer).toEqual({ id, stock: id + 1, price: null, count: 1 });
        }
        // Another answer to any of them would have been counted.
        const others = [...IDS, ...IDS.map((each) => 1_000 + each)];
        const again = await Promise.all(others.map((id) => order(second, id)));
        expect(again.filter(({ body }) => countOf(body) !== 2)).toEqual([]);
        const { sent, answered } = orders;
        const repeated = await Promise.all(sent.map((id) => order(second, id)));
        const counts = new Map(sent.map((id, index) => [id, countOf(repeated[index]?.body)]));
        // What was not answered was stored before the end, and answered after it, or it never was.
        expect([...counts.values()].filter((count) => count !== 1 && count !== 2)).toEqual([]);
        expect(answered.filter((id) => counts.get(id) !== 2)).toEqual([]);
        expect(sent.length - answered.length).toBe(CALLERS);
      } finally {
        await second.dispose();
      }
    });
  });
});
