import {
  KeyedProcessFunction,
  listState,
  mapState,
  valueState,
  type Collector,
  type KeyedProcessContext,
  type ListState,
  type MapState,
  type RuntimeContext,
  type ValueState,
} from 'millrace';
import type { CardFeatures, DeviceFeatures, MerchantFeatures, TransactionRequest } from './transaction.js';

/** The features of the fraud check, one function per key. Each keeps what it needs to know of its key and no more. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** How much later than the newest of its card a transaction may come and still see its whole hour. */
export const LATENESS_MS = 5 * MINUTE_MS;

/** When something was paid, and how much. */
type Payment = readonly [at: number, amount: number];

/** Count and sum over the five minutes and the hour that end with the transaction. */
export class CardSpending extends KeyedProcessFunction<string, TransactionRequest, CardFeatures> {
  #payments: ListState<Payment> | undefined;

  override open(context: RuntimeContext): void {
    this.#payments = context.getListState(listState<Payment>('payments', { ttl: { ttlMs: 2 * HOUR_MS } }));
  }

  override processElement(
    { body }: TransactionRequest,
    context: KeyedProcessContext<string>,
    out: Collector<CardFeatures>,
  ): void {
    const at = body.at ?? context.now();
    const payments = [...(this.#payments?.get() ?? []), [at, body.amount] as const];
    const newest = payments.reduce((latest, [time]) => Math.max(latest, time), at);
    this.#payments?.update(payments.filter(([time]) => time > newest - HOUR_MS - LATENESS_MS));
    const [count5Minutes, sum5Minutes] = countAndSum(payments, at - 5 * MINUTE_MS, at);
    const [count1Hour, sum1Hour] = countAndSum(payments, at - HOUR_MS, at);
    out.collect({ count5Minutes, sum5Minutes, count1Hour, sum1Hour });
  }
}

/** Of the payments in the window (after, until]. */
function countAndSum(payments: readonly Payment[], after: number, until: number): readonly [number, number] {
  let count = 0;
  let sum = 0;
  for (const [at, amount] of payments) {
    if (at <= after || at > until) continue;
    count++;
    sum += amount;
  }
  return [count, sum];
}

/** The cards that a device was used with within a month. */
export class DeviceCards extends KeyedProcessFunction<string, TransactionRequest, DeviceFeatures> {
  #cards: MapState<string, true> | undefined;

  override open(context: RuntimeContext): void {
    this.#cards = context.getMapState(mapState<string, true>('cards', { ttl: { ttlMs: 30 * DAY_MS } }));
  }

  override processElement(
    { body }: TransactionRequest,
    _context: KeyedProcessContext<string>,
    out: Collector<DeviceFeatures>,
  ): void {
    this.#cards?.put(body.card, true);
    out.collect({ distinctCards: [...(this.#cards?.keys() ?? [])].length });
  }
}

/** The mean of all that was paid to a merchant. */
export class MerchantAmounts extends KeyedProcessFunction<string, TransactionRequest, MerchantFeatures> {
  #amounts: ValueState<{ readonly count: number; readonly total: number }> | undefined;

  override open(context: RuntimeContext): void {
    this.#amounts = context.getState(valueState<{ count: number; total: number }>('amounts'));
  }

  override processElement(
    { body }: TransactionRequest,
    _context: KeyedProcessContext<string>,
    out: Collector<MerchantFeatures>,
  ): void {
    const before = this.#amounts?.value() ?? { count: 0, total: 0 };
    const amounts = { count: before.count + 1, total: before.total + body.amount };
    this.#amounts?.update(amounts);
    out.collect({ meanAmount: amounts.total / amounts.count });
  }
}
