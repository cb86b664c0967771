import { describe, expect, it } from 'vitest';
import { ServiceProcess, withService } from '../../helpers/service-process.js';

const args = ['--state-backend', 'heap', '--parallelism', '2', '--log-level', 'info'];

async function json(service: ServiceProcess, path: string): Promise<unknown> {
  const response = await service.fetch(path);
  expect(response.status).toBe(200);
  return response.json();
}

async function jobAndVertex(service: ServiceProcess): Promise<{ job: string; vertex: string }> {
  const { jobs } = (await json(service, '/jobs')) as { jobs: { id: string }[] };
  const job = `/jobs/${jobs[0]?.id ?? ''}`;
  const { vertices } = (await json(service, job)) as { vertices: { id: string; operators: { uid: string }[] }[] };
  const vertex = vertices.find(({ operators }) => operators.some(({ uid }) => uid === 'measuring'));
  return { job, vertex: `${job}/vertices/${vertex?.id ?? ''}` };
}

/** Lines of one metric, by subtask and further labels. */
function samplesOf(text: string, name: string): { labels: string; value: number }[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`))
    .map((line) => ({
      labels: line.slice(line.indexOf('{'), line.lastIndexOf('}') + 1),
      value: Number(line.slice(line.lastIndexOf(' '))),
    }));
}

const sum = (samples: readonly { value: number }[]): number => samples.reduce((total, { value }) => total + value, 0);

describe('what functions measure on two workers', () => {
  it('is shown in /metrics, under Flink’s names in the admin API, and merged as accumulators', async () => {
    await withService({ job: 'measured', args }, async (service) => {
      // Keys enough that both subtasks have some.
      const customers = Array.from({ length: 40 }, (_, index) => `customer-${String(index)}`);
      for (const [index, customer] of customers.entries()) {
        expect((await service.post('/orders', { customer, amount: index + 20 })).status).toBe(200);
      }

      // A worker that takes long to answer is seen as it was before.
      let text = '';
      const counted = async (): Promise<number> => {
        text = await (await service.fetch('/metrics')).text();
        return sum(samplesOf(text, 'millrace_user_orders_total'));
      };
      await expect.poll(counted, { timeout: 20_000 }).toBe(40);
      const orders = samplesOf(text, 'millrace_user_orders_total');
      expect(orders.map(({ labels }) => labels.replace(/vertex="[^"]*",/, ''))).toEqual([
        '{subtask="0",operator="measuring"}',
        '{subtask="1",operator="measuring"}',
      ]);
      expect(orders.every(({ value }) => value > 0)).toBe(true);
      const large = samplesOf(text, 'millrace_user_size_orders_total');
      expect(large[0]?.labels).toContain('size="large"');
      expect(sum(large)).toBe(9);
      expect(text).toContain('# TYPE millrace_user_amounts_eur summary');
      expect(sum(samplesOf(text, 'millrace_user_amounts_eur_count'))).toBe(40);
      expect(sum(samplesOf(text, 'millrace_user_amounts_eur_sum'))).toBe((20 + 59) * 20);
      expect(Math.max(...samplesOf(text, 'millrace_user_last_amount').map(({ value }) => value))).toBe(59);
      expect(sum(samplesOf(text, 'millrace_user_rate_total'))).toBe(40);
      expect(text).not.toContain('millrace_user_broken');

      const { job, vertex } = await jobAndVertex(service);
      const names = (await json(service, `${vertex}/metrics`)) as { id: string }[];
      expect(names.map(({ id }) => id)).toEqual(
        expect.arrayContaining(['0.Measuring.orders', '1.Measuring.size.large.orders', '1.Measuring.amounts.eur_p99']),
      );
      const [own] = (await json(service, `${vertex}/subtasks/1/metrics?get=Measuring.orders`)) as { value: string }[];
      expect(Number(own?.value)).toBe(orders[1]?.value);

      const accumulators = (await json(service, `${job}/accumulators`)) as Record<string, unknown>;
      expect(accumulators).toMatchObject({ 'job-accumulators': [], 'serialized-user-task-accumulators': {} });
      const values = accumulators['user-task-accumulators'] as { name: string; type: string; value: string }[];
      expect(values.slice(0, 2)).toEqual([
        { name: 'orders', type: 'IntCounter', value: '40' },
        { name: 'largest', type: 'IntMaximum', value: '59' },
      ]);
      expect(values[2]).toMatchObject({ name: 'customers', type: 'ListAccumulator' });
      expect(values[2]?.value.slice(1, -1).split(', ').toSorted()).toEqual(customers.toSorted());
      const ofVertex = (await json(service, `${vertex}/accumulators`)) as Record<string, unknown>;
      expect(ofVertex['user-accumulators']).toEqual(values);
      const { subtasks } = (await json(service, `${vertex}/subtasks/accumulators`)) as {
        subtasks: { 'user-accumulators': { value: string }[] }[];
      };
      const counts = subtasks.map((subtask) => Number(subtask['user-accumulators'][0]?.value));
      expect(counts).toEqual(orders.map(({ value }) => value));
    });
  });

  it('is the result of a job that ends, with what functions add while they close', async () => {
    const { end, service } = await ServiceProcess.run({ job: 'measured-finite', args });
    expect(end, service.stderr).toEqual({ code: 0, signal: null });
    const line = service.stderr.split('\n').find((each) => each.includes('job finished'));
    expect(line).toContain('"average":"499.5"');
    expect(line).toContain('"remainders":"{0=334, 1=333, 2=333}"');
    expect(line).toContain('"numbers":"1000"');
  });
});
