import { describe, expect, it } from 'vitest';
import { findWrongAnswers } from '../../../examples/flights/check-answers.js';
import { loadFlights } from '../../../examples/flights/load-flights.js';
import { postFlights } from '../../../examples/flights/post-flights.js';
import { withService } from '../../helpers/service-process.js';

describe('the demo job', () => {
  it('answers echo and counters, each as its example says', async () => {
    await withService({ args: ['--parallelism', '2', '--state-backend', 'heap'] }, async (service) => {
      const before = Date.now();
      const echo = await service.post('/event', { a: 1, nested: { list: [1, 'two', null] } });
      expect(echo.status).toBe(200);
      const { response_timestamp: timestamp, ...fields } = (await echo.json()) as { response_timestamp: number };
      expect(fields).toEqual({ a: 1, nested: { list: [1, 'two', null] }, result: 'ok' });
      expect(timestamp).toBeGreaterThanOrEqual(before);

      const values: unknown[] = [];
      for (const amount of [1, 5, -2]) values.push(await (await service.post('/counters/jobs', { amount })).json());
      expect(values).toEqual([1, 6, 4].map((value) => ({ name: 'jobs', value })));
      expect(await (await service.fetch('/counters/jobs')).json()).toEqual({ name: 'jobs', value: 4 });
      expect(await (await service.fetch('/counters/other')).json()).toEqual({ name: 'other', value: 0 });
      expect((await service.fetch('/readyz')).status).toBe(200);
    });
  });

  it.each([1, 2, 4])('answers 20,000 flights as a plain loop does, at parallelism %d', async (parallelism) => {
    const flights = await loadFlights();
    const args = ['--parallelism', String(parallelism), '--state-backend', parallelism === 2 ? 'heap' : 'lmdb'];
    await withService({ args }, async (service) => {
      const answers = await postFlights(flights, { url: service.url, concurrency: 64 });
      expect(answers).toHaveLength(20_000);
      expect(findWrongAnswers(flights, answers)).toEqual([]);
    });
  });
});
