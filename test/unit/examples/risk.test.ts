import { describe, expect, it } from 'vitest';
import { CardSpending } from '../../../examples/risk/features.js';
import { addRisk } from '../../../examples/risk/risk.js';
import { score } from '../../../examples/risk/score.js';
import { defineJob } from '../../../src/index.js';
import { functionHarness, JobDriver } from '../../../src/testing/index.js';
import { transactionsOfLane, verdictsByHand } from '../../helpers/risk-by-hand.js';

const MINUTE_MS = 60_000;

describe('the example risk', () => {
  it.each([1, 3])('gives the verdicts of a plain computation, at parallelism %d', (parallelism) => {
    const driver = new JobDriver(defineJob('risk', addRisk), { parallelism });
    const transactions = transactionsOfLane(0, 200);
    for (const [index, body] of transactions.entries()) {
      const request = { correlationId: String(index), replyTo: 'replies:0', deadline: 1_000 };
      driver.send('transactions', { body }, { request, subtask: index % parallelism });
    }
    const verdicts = verdictsByHand(transactions);
    expect(driver.responses.map(({ value }) => value)).toEqual(verdicts);
    expect(new Set(verdicts.map(({ decision }) => decision))).toEqual(new Set(['approve', 'review', 'decline']));
  });

  it('counts what lies in the last five minutes and the last hour, the moment of the payment included', () => {
    const harness = functionHarness(() => new CardSpending(), { keys: [() => 'card'] });
    for (const minute of [0, 5, 59, 60, 64, 62]) {
      harness.processElement({ body: { amount: 10 ** (minute % 7), at: minute * MINUTE_MS } });
    }
    const counts = harness.takeValues().map(({ count5Minutes, count1Hour }) => [count5Minutes, count1Hour]);
    expect(counts).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 3],
      [2, 4],
      [3, 4],
    ]);
  });

  it('takes the time of acceptance for a payment that names none', () => {
    const driver = new JobDriver(defineJob('risk', addRisk));
    const pay = (id: string): void => {
      const body = { card: 'c', device: 'd', merchant: 'm', amount: 5 };
      const request = { correlationId: id, replyTo: 'replies:0', deadline: Infinity };
      driver.send('transactions', { body }, { request });
    };
    pay('first');
    driver.setProcessingTime(10 * MINUTE_MS);
    pay('second');
    expect(driver.responses.map(({ value }) => value)).toMatchObject([
      { features: { card: { count5Minutes: 1, count1Hour: 1 } } },
      { features: { card: { count5Minutes: 1, count1Hour: 2 } } },
    ]);
  });

  it('adds the points of the rules that hold', () => {
    const harmless = {
      card: { count5Minutes: 1, sum5Minutes: 5, count1Hour: 1, sum1Hour: 5 },
      device: { distinctCards: 1 },
      merchant: { meanAmount: 5 },
    };
    expect(score({ amount: 5 }, harmless)).toEqual({ decision: 'approve', score: 0, reasons: [], features: harmless });
    const hasty = { ...harmless, card: { ...harmless.card, count5Minutes: 4 } };
    expect(score({ amount: 5 }, hasty)).toMatchObject({ decision: 'review', score: 35 });
    const worse = { ...hasty, device: { distinctCards: 4 } };
    expect(score({ amount: 5 }, worse)).toMatchObject({ decision: 'decline', score: 60 });
  });
});
