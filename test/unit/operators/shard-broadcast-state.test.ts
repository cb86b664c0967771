import { describe, expect, it } from 'vitest';
import {
  KeyedBroadcastProcessFunction,
  type KeyedBroadcastContext,
  type KeyedBroadcastReadContext,
} from '../../../src/api/broadcast-functions.js';
import type { Collector, RuntimeContext } from '../../../src/api/functions.js';
import { keyGroupOf } from '../../../src/api/internal/key-bytes.js';
import { DEFAULT_SHARD_COUNT, shardOfKeyGroup } from '../../../src/api/internal/key-groups.js';
import { keysOfShards, type ShardCopy } from '../../../src/api/internal/shard-copies.js';
import { mapState, type ValueState, valueState } from '../../../src/api/keyed-state.js';
import { KeyedBroadcastOperator } from '../../../src/operators/keyed-broadcast-operator.js';
import { OperatorHarness } from '../../../src/testing/index.js';

const GRANTED = mapState<string, number>('granted');
const BALANCE = valueState<number>('balance');
const ACCOUNTS = Array.from({ length: 50 }, (_, index) => `account-${index}`);
const shardKeys = keysOfShards(DEFAULT_SHARD_COUNT);
const self = (value: string): string => value;
const keyOfCopy = (copy: ShardCopy): number => copy[0];

/** An account opens with 1; a grant adds to every account, and to what was granted in all. */
class Accounts extends KeyedBroadcastProcessFunction<string, string, number, unknown> {
  #balance: ValueState<number> | undefined;

  override open(context: RuntimeContext): void {
    this.#balance = context.getState(BALANCE);
  }

  override processElement(_name: string, context: KeyedBroadcastReadContext<string>, out: Collector<unknown>): void {
    const balance = this.#balance?.value() ?? 1;
    this.#balance?.update(balance);
    const granted = context.getBroadcastState(GRANTED);
    out.collect([context.getCurrentKey(), balance, granted.get('sum') ?? 0, [...granted.entries()].length]);
  }

  override processBroadcastElement(amount: number, context: KeyedBroadcastContext<string>): void {
    const granted = context.getBroadcastState(GRANTED);
    granted.put('sum', (granted.get('sum') ?? 0) + amount);
    context.applyToKeyedState(BALANCE, (_name, balance) => balance.update((balance.value() ?? 0) + amount));
  }
}

function openAccounts(parallelism: number): OperatorHarness<unknown> {
  const operator = (): KeyedBroadcastOperator<string, string, number, unknown> =>
    new KeyedBroadcastOperator({ fn: new Accounts(), key: self, states: [GRANTED], shardKeys });
  const harness = new OperatorHarness<unknown>(operator, { inputs: [{ key: self }, { key: keyOfCopy }], parallelism });
  harness.open();
  return harness;
}

function grant(harness: OperatorHarness<unknown>, amount: number): void {
  for (const key of shardKeys) harness.processElement([key, amount] satisfies ShardCopy, 0, { input: 2 });
}

function seenBy(harness: OperatorHarness<unknown>): unknown[] {
  for (const account of ACCOUNTS) harness.processElement(account, 0);
  return harness.takeValues();
}

describe('Broadcast state of shards', () => {
  it('gets each record once for its shard, and so does every key, at any parallelism and after a restore', () => {
    const harness = openAccounts(2);
    seenBy(harness);
    grant(harness, 5);
    grant(harness, 2);
    expect(seenBy(harness)).toEqual(ACCOUNTS.map((name) => [name, 8, 7, 1]));
    harness.restore(harness.snapshot(), { parallelism: 3 });
    grant(harness, 1);
    expect(seenBy(harness)).toEqual(ACCOUNTS.map((name) => [name, 9, 8, 1]));
  });

  it('is that of the key’s shard, which another shard’s record does not change', () => {
    const harness = openAccounts(1);
    const shardOf = (key: unknown): number => shardOfKeyGroup(keyGroupOf(key), DEFAULT_SHARD_COUNT);
    const shard = shardOf(ACCOUNTS[0]);
    seenBy(harness);
    harness.processElement([shardKeys[shard] ?? -1, 4] satisfies ShardCopy, 0, { input: 2 });
    expect(seenBy(harness)).toEqual(
      ACCOUNTS.map((name) => (shardOf(name) === shard ? [name, 5, 4, 1] : [name, 1, 0, 0])),
    );
  });

  it('has a key for each shard', () => {
    expect(shardKeys.map((key) => shardOfKeyGroup(keyGroupOf(key), DEFAULT_SHARD_COUNT))).toEqual(
      Array.from({ length: DEFAULT_SHARD_COUNT }, (_, shard) => shard),
    );
  });
});
