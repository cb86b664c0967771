import type { HttpRequest } from 'millrace';
import type { Static } from 'typebox';

/** One payment, as `POST /transactions` takes it. */
export const Transaction = {
  type: 'object',
  required: ['card', 'device', 'merchant', 'amount'],
  properties: {
    card: { type: 'string', minLength: 1, maxLength: 40 },
    device: { type: 'string', minLength: 1, maxLength: 40 },
    merchant: { type: 'string', minLength: 1, maxLength: 40 },
    /** In cents: sums of whole numbers are exact. */
    amount: { type: 'integer', minimum: 1, maximum: 1_000_000_000 },
    /** When it happened, in milliseconds since the epoch; when it was accepted, if absent. */
    at: { type: 'integer', minimum: 0 },
  },
  additionalProperties: false,
} as const;
export type Transaction = Static<typeof Transaction>;

export type TransactionRequest = HttpRequest<Transaction>;

/** What a card has spent until now, the transaction in question included. */
export interface CardFeatures {
  readonly count5Minutes: number;
  readonly sum5Minutes: number;
  readonly count1Hour: number;
  readonly sum1Hour: number;
}

/** How many cards a device has paid with. */
export interface DeviceFeatures {
  readonly distinctCards: number;
}

/** What a merchant's customers pay on average. */
export interface MerchantFeatures {
  readonly meanAmount: number;
}

/** What each branch has found. */
export interface Features {
  readonly card: CardFeatures;
  readonly device: DeviceFeatures;
  readonly merchant: MerchantFeatures;
}
