import { beforeEach, describe, expect, it } from 'vitest';
import { shardsOfSubtask } from '../../../src/api/internal/key-groups.js';
import {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  valueState,
  type StateTtlConfig,
} from '../../../src/api/keyed-state.js';
import { createHeapBackend, type MemorySnapshot } from '../../../src/state/memory-state-store.js';
import { errorOf } from '../../helpers/error-of.js';

/** Time to live as Flink's TTL states have it, on a clock that the test moves. */

let now = 0;
beforeEach(() => {
  now = 0;
});

function open(restore: readonly MemorySnapshot[] = []): ReturnType<typeof createHeapBackend> {
  const backend = createHeapBackend({
    shardCount: 4,
    shards: shardsOfSubtask(0, 1, 4),
    clock: { now: () => now },
    restore,
  });
  backend.setCurrentKey('k');
  return backend;
}

const onWrite: StateTtlConfig = { ttlMs: 100 };
const onRead: StateTtlConfig = { ttlMs: 100, updateType: 'OnReadAndWrite' };
const returned: StateTtlConfig = { ttlMs: 100, visibility: 'ReturnExpiredIfNotCleanedUp' };
const sum = (a: number, b: number): number => a + b;

describe('a value with a time to live', () => {
  it('expires when the clock reaches the time of writing plus the time to live', () => {
    const state = open().valueState(valueState<number>('v', { ttl: onWrite }));
    state.update(1);
    now = 99;
    expect(state.value()).toBe(1);
    now = 100;
    expect(state.value()).toBeUndefined();
  });

  it('lives on with every write, and with every read if reading counts', () => {
    const backend = open();
    const written = backend.valueState(valueState<number>('w', { ttl: onWrite }));
    const read = backend.valueState(valueState<number>('r', { ttl: onRead }));
    written.update(1);
    read.update(1);
    now = 60;
    written.update(2);
    read.value();
    now = 159;
    expect(written.value()).toBe(2);
    expect(read.value()).toBe(1);
    now = 200;
    expect(written.value()).toBeUndefined();
    expect(read.value()).toBe(1);
  });

  it('may be seen once more after it has expired, if so configured, and is then gone', () => {
    const state = open().valueState(valueState<number>('v', { ttl: returned }));
    state.update(1);
    now = 500;
    expect(state.value()).toBe(1);
    expect(state.value()).toBeUndefined();
  });

  it('keeps its time over a snapshot and restore', () => {
    const backend = open();
    backend.valueState(valueState<number>('v', { ttl: onWrite })).update(1);
    now = 99;
    const state = open([backend.snapshotToMemory()]).valueState(valueState<number>('v', { ttl: onWrite }));
    expect(state.value()).toBe(1);
    now = 100;
    expect(state.value()).toBeUndefined();
  });

  it('is readable when the time to live was added or removed since it was stored', () => {
    const plain = open();
    plain.valueState(valueState<number>('v')).update(1);
    plain.listState(listState<number>('l')).add(1);
    const added = open([plain.snapshotToMemory()]);
    now = 1e12;
    const state = added.valueState(valueState<number>('v', { ttl: onWrite }));
    expect(state.value()).toBe(1);
    expect(added.listState(listState<number>('l', { ttl: onWrite })).get()).toEqual([1]);
    state.update(2);
    const removed = open([added.snapshotToMemory()]);
    expect(removed.valueState(valueState<number>('v')).value()).toBe(2);
    expect(removed.listState(listState<number>('l')).get()).toEqual([1]);
  });

  it('refuses a time to live that is not above 0', () => {
    const declare = (): unknown => open().valueState(valueState<number>('v', { ttl: { ttlMs: 0 } }));
    expect(errorOf(declare).code).toBe('MILLRACE_JOB_INVALID');
  });
});

describe('a query of state with a time to live', () => {
  it('sees what has not expired, and neither renews nor removes anything', () => {
    const backend = open();
    const ttl: StateTtlConfig = { ...onRead, visibility: 'ReturnExpiredIfNotCleanedUp' };
    const value = backend.valueState(valueState<number>('v', { ttl }));
    const list = backend.listState(listState<number>('l', { ttl }));
    const map = backend.mapState(mapState<string, number>('m', { ttl }));
    const total = backend.reducingState(reducingState<number>('r', sum, { ttl }));
    value.update(1);
    list.add(2);
    map.put('a', 3);
    total.add(4);
    now = 99;
    const query = (): unknown[] => ['v', 'l', 'm', 'r'].map((name) => backend.query(name, 'k'));
    expect(query()).toEqual([1, [2], [['a', 3]], 4]);
    now = 100;
    expect(query()).toEqual([undefined, undefined, undefined, undefined]);
    expect([value.value(), list.get(), [...map.entries()], total.get()]).toEqual([1, [2], [['a', 3]], 4]);
  });
});

describe('a list with a time to live', () => {
  it('loses its items one by one', () => {
    const state = open().listState(listState<string>('l', { ttl: onWrite }));
    state.add('a');
    now = 50;
    state.addAll(['b']);
    now = 100;
    expect(state.get()).toEqual(['b']);
    now = 150;
    expect(state.get()).toEqual([]);
  });

  it('renews the items that are left when reading counts', () => {
    const state = open().listState(listState<string>('l', { ttl: onRead }));
    state.add('a');
    now = 50;
    state.add('b');
    now = 120;
    expect(state.get()).toEqual(['b']);
    now = 219;
    expect(state.get()).toEqual(['b']);
  });

  it('shows expired items until none is left alive, if so configured', () => {
    const state = open().listState(listState<string>('l', { ttl: returned }));
    state.update(['a']);
    now = 50;
    state.add('b');
    now = 120;
    expect(state.get()).toEqual(['a', 'b']);
    now = 150;
    expect(state.get()).toEqual(['a', 'b']);
    expect(state.get()).toEqual([]);
  });

  it('keeps the times of its items over a restore and a merge', () => {
    const backend = open();
    const state = backend.listState(listState<string>('l', { ttl: onWrite }));
    state.setCurrentNamespace('one');
    state.add('a');
    now = 50;
    state.setCurrentNamespace('two');
    state.add('b');
    state.mergeNamespaces('two', ['one']);
    const restored = open([backend.snapshotToMemory()]).listState(listState<string>('l', { ttl: onWrite }));
    restored.setCurrentNamespace('two');
    expect(restored.get()).toEqual(['b', 'a']);
    now = 100;
    expect(restored.get()).toEqual(['b']);
  });
});

describe('a map with a time to live', () => {
  it('loses its entries one by one, wherever they are read', () => {
    const state = open().mapState(mapState<string, number>('m', { ttl: onWrite }));
    state.put('a', 1);
    now = 50;
    state.putAll([['b', 2]]);
    now = 100;
    expect(state.get('a')).toBeUndefined();
    expect(state.contains('a')).toBe(false);
    expect([...state.entries()]).toEqual([['b', 2]]);
    now = 150;
    expect([...state.keys()]).toEqual([]);
    expect(state.isEmpty()).toBe(true);
  });

  it('counts an expired entry for its emptiness until something reads it, as Flink does', () => {
    const state = open().mapState(mapState<string, number>('m', { ttl: onWrite }));
    state.put('a', 1);
    now = 100;
    expect(state.isEmpty()).toBe(false);
    expect(state.get('a')).toBeUndefined();
    expect(state.isEmpty()).toBe(true);
  });

  it('renews entries that are read, if reading counts', () => {
    const state = open().mapState(mapState<string, number>('m', { ttl: onRead }));
    state.put('a', 1);
    state.put('b', 2);
    now = 90;
    state.get('a');
    now = 150;
    expect([...state.entries()]).toEqual([['a', 1]]);
    now = 249;
    expect([...state.values()]).toEqual([1]);
  });

  it('shows an expired entry once, if so configured', () => {
    const state = open().mapState(mapState<string, number>('m', { ttl: returned }));
    state.put('a', 1);
    now = 100;
    expect([...state.entries()]).toEqual([['a', 1]]);
    expect([...state.entries()]).toEqual([]);
  });
});

describe('reducing and aggregating states with a time to live', () => {
  it('begin anew once what they held has expired', () => {
    const backend = open();
    const reducing = backend.reducingState(reducingState<number>('r', sum, { ttl: onWrite }));
    const aggregating = backend.aggregatingState(
      aggregatingState<number, number, string>(
        'a',
        { createAccumulator: () => 0, add: sum, getResult: (total) => `total ${total}`, merge: sum },
        { ttl: onWrite },
      ),
    );
    reducing.add(1);
    aggregating.add(1);
    now = 60;
    reducing.add(2);
    aggregating.add(2);
    now = 159;
    expect(reducing.get()).toBe(3);
    expect(aggregating.get()).toBe('total 3');
    now = 160;
    reducing.add(10);
    aggregating.add(10);
    expect(reducing.get()).toBe(10);
    expect(aggregating.get()).toBe('total 10');
    now = 260;
    expect(reducing.get()).toBeUndefined();
    expect(aggregating.get()).toBeUndefined();
  });

  it('go on from what has expired, where expired values may be seen', () => {
    const state = open().reducingState(reducingState<number>('r', sum, { ttl: returned }));
    state.add(1);
    now = 100;
    state.add(2);
    expect(state.get()).toBe(3);
  });

  it('merge only what is alive', () => {
    const state = open().reducingState(reducingState<number>('r', sum, { ttl: onWrite }));
    state.setCurrentNamespace('old');
    state.add(1);
    now = 50;
    state.setCurrentNamespace('young');
    state.add(10);
    now = 100;
    state.mergeNamespaces('target', ['old', 'young']);
    state.setCurrentNamespace('target');
    expect(state.get()).toBe(10);
  });
});
