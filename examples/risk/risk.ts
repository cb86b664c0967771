import type { StreamEnvironment } from 'millrace';
import { CardSpending, DeviceCards, MerchantAmounts } from './features.js';
import { score, VerdictAnswer } from './score.js';
import { Transaction } from './transaction.js';

/**
 * `POST /transactions` with one payment: answered with how risky it is.
 *
 * ```text
 *                    ┌─▶ by card ──────▶ CardSpending ────┐
 *  transactions ─────┼─▶ by device ────▶ DeviceCards ─────┼─▶ by request: gather ─▶ score ─▶ answer
 *                    └─▶ by merchant ──▶ MerchantAmounts ─┘
 * ```
 *
 * The features of one payment are computed at the same time, each where its key's state is.
 */
export function addRisk(env: StreamEnvironment): void {
  env
    .requests('POST /transactions', {
      body: Transaction,
      response: VerdictAnswer,
      summary: 'Says how risky a payment is',
    })
    .uid('transactions')
    .scatter({
      card: (transactions) =>
        transactions
          .keyBy((request) => request.body.card)
          .process(new CardSpending())
          .uid('card-spending'),
      device: (transactions) =>
        transactions
          .keyBy((request) => request.body.device)
          .process(new DeviceCards())
          .uid('device-cards'),
      merchant: (transactions) =>
        transactions
          .keyBy((request) => request.body.merchant)
          .process(new MerchantAmounts())
          .uid('merchant-amounts'),
    })
    .gather({ combine: ({ body }, features) => ({ amount: body.amount, features }) })
    .uid('features')
    .map(({ amount, features }) => score({ amount }, features))
    .name('Score')
    .respond();
}
