import type { Features, Transaction } from './transaction.js';

/** What the caller is told. */
export interface Verdict {
  readonly decision: 'approve' | 'review' | 'decline';
  /** 0 to 100. */
  readonly score: number;
  readonly reasons: readonly string[];
  readonly features: Features;
}

const numbers = (...names: readonly string[]) => ({
  type: 'object',
  required: names,
  properties: Object.fromEntries(names.map((name) => [name, { type: 'number' }])),
});

/** {@link Verdict}, for the OpenAPI document. */
export const VerdictAnswer = {
  type: 'object',
  required: ['decision', 'score', 'reasons', 'features'],
  properties: {
    decision: { enum: ['approve', 'review', 'decline'] },
    score: { type: 'integer' },
    reasons: { type: 'array', items: { type: 'string' } },
    features: {
      type: 'object',
      required: ['card', 'device', 'merchant'],
      properties: {
        card: numbers('count5Minutes', 'sum5Minutes', 'count1Hour', 'sum1Hour'),
        device: numbers('distinctCards'),
        merchant: numbers('meanAmount'),
      },
    },
  },
} as const;

/** One rule: how many points, for what. */
interface Rule {
  readonly points: number;
  readonly reason: string;
  readonly holds: (transaction: Pick<Transaction, 'amount'>, features: Features) => boolean;
}

const RULES: readonly Rule[] = [
  { points: 35, reason: 'many payments in five minutes', holds: (_, { card }) => card.count5Minutes > 3 },
  { points: 25, reason: 'much spent within an hour', holds: (_, { card }) => card.sum1Hour > 200_000 },
  { points: 25, reason: 'many cards on one device', holds: (_, { device }) => device.distinctCards > 3 },
  {
    points: 15,
    reason: 'far above what the merchant usually takes',
    holds: ({ amount }, { merchant }) => amount > 3 * merchant.meanAmount,
  },
];

/** Adds the points of the rules that hold. Depends on its arguments alone. */
export function score(transaction: Pick<Transaction, 'amount'>, features: Features): Verdict {
  const broken = RULES.filter((rule) => rule.holds(transaction, features));
  const points = broken.reduce((sum, rule) => sum + rule.points, 0);
  return {
    decision: points >= 60 ? 'decline' : points >= 35 ? 'review' : 'approve',
    score: points,
    reasons: broken.map(({ reason }) => reason),
    features,
  };
}
