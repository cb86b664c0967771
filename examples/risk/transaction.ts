import type { HttpRequest } from 'millrace';
import { Type, type Static } from 'typebox';

/** One payment, as `POST /transactions` takes it. */
export const Transaction = Type.Object(
  {
    card: Type.String({ minLength: 1, maxLength: 40 }),
    device: Type.String({ minLength: 1, maxLength: 40 }),
    merchant: Type.String({ minLength: 1, maxLength: 40 }),
    /** In cents: sums of whole numbers are exact. */
    amount: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
    /** When it happened, in milliseconds since the epoch; when it was accepted, if absent. */
    at: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  { additionalProperties: false },
);
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
