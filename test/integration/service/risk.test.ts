import { describe, expect, it } from 'vitest';
import { transactionsOfLane, verdictsByHand, type TimedTransaction } from '../../helpers/risk-by-hand.js';
import { withService, type ServiceProcess } from '../../helpers/service-process.js';

const LANES = Array.from({ length: 8 }, (_, lane) => transactionsOfLane(lane, 60));

async function postInOrder(service: ServiceProcess, transactions: readonly TimedTransaction[]): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const transaction of transactions) {
    const response = await service.post('/transactions', transaction);
    expect(response.status).toBe(200);
    answers.push(await response.json());
  }
  return answers;
}

describe('the example risk, served by the demo job', () => {
  it.each([1, 2, 4])(
    'answers every transaction as a plain computation does, at parallelism %d',
    async (parallelism) => {
      const args = ['--parallelism', String(parallelism), '--state-backend', parallelism === 2 ? 'heap' : 'lmdb'];
      await withService({ args }, async (service) => {
        const answers = await Promise.all(LANES.map((transactions) => postInOrder(service, transactions)));
        expect(answers).toEqual(LANES.map((transactions) => verdictsByHand(transactions)));
        const wrong = await service.post('/transactions', { card: 'c', device: 'd', merchant: 'm', amount: -1 });
        expect(wrong.status).toBe(400);
      });
    },
  );
});
