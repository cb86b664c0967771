import { score, type Verdict } from '../../examples/risk/score.js';
import type { Transaction } from '../../examples/risk/transaction.js';
import { SeededPrng } from '../../src/base/prng.js';

/** The fraud check once more, over lists that hold everything: slow, and without anything of the job's. */

const MINUTE_MS = 60_000;

export type TimedTransaction = Transaction & { readonly at: number };

/** The verdict on each transaction, in the order in which they come. */
export function verdictsByHand(transactions: readonly TimedTransaction[]): Verdict[] {
  return transactions.map((transaction, index) => {
    const soFar = transactions.slice(0, index + 1);
    const within = (minutes: number): number[] =>
      soFar
        .filter(({ card }) => card === transaction.card)
        .filter(({ at }) => at <= transaction.at && at > transaction.at - minutes * MINUTE_MS)
        .map(({ amount }) => amount);
    const cards = new Set(soFar.filter(({ device }) => device === transaction.device).map(({ card }) => card));
    const paid = soFar.filter(({ merchant }) => merchant === transaction.merchant).map(({ amount }) => amount);
    return score(transaction, {
      card: {
        count5Minutes: within(5).length,
        sum5Minutes: sum(within(5)),
        count1Hour: within(60).length,
        sum1Hour: sum(within(60)),
      },
      device: { distinctCards: cards.size },
      merchant: { meanAmount: sum(paid) / paid.length },
    });
  });
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/**
 * Transactions over some hours, slightly out of order. Those of one lane share no key with those of another, so that lanes
 * may be sent side by side while each is sent in order.
 */
export function transactionsOfLane(lane: number, count: number): TimedTransaction[] {
  const prng = new SeededPrng(1_000 + lane);
  const pick = (name: string, choices: number): string => `${name} ${String(lane)}.${String(prng.below(choices))}`;
  let clock = 1_700_000_000_000;
  return Array.from({ length: count }, () => {
    clock += prng.below(8) === 0 ? prng.below(50) * MINUTE_MS : prng.below(2 * MINUTE_MS);
    return {
      card: pick('card', 6),
      device: pick('device', 3),
      merchant: pick('merchant', 4),
      amount: prng.below(20) === 0 ? 100_000 + prng.below(100_000) : 1 + prng.below(10_000),
      at: clock - prng.below(3 * MINUTE_MS),
    };
  });
}
