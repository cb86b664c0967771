import { describe, expect, it } from 'vitest';
import { shardsOfSubtask } from '../../../src/api/internal/key-groups.js';
import { aggregatingState, listState, mapState, reducingState, valueState } from '../../../src/api/keyed-state.js';
import type { Serde } from '../../../src/api/serde.js';
import { createHeapBackend, MemoryStateStore, type MemorySnapshot } from '../../../src/state/memory-state-store.js';
import { errorOf } from '../../helpers/error-of.js';

const SHARD_COUNT = 4;
const allShards = shardsOfSubtask(0, 1, SHARD_COUNT);
const clock = { now: () => 0 };

function openBackend(restore: readonly MemorySnapshot[] = []): ReturnType<typeof createHeapBackend> {
  return createHeapBackend({ operatorUid: 'counter', shardCount: SHARD_COUNT, shards: allShards, clock, restore });
}

describe('keyed state', () => {
  it('belongs to the current key', () => {
    const backend = openBackend();
    const count = backend.valueState(valueState<number>('count'));
    for (const key of ['a', 'b', 'a']) {
      backend.setCurrentKey(key);
      count.update((count.value() ?? 0) + 1);
    }
    backend.setCurrentKey('a');
    expect(count.value()).toBe(2);
    backend.setCurrentKey('b');
    expect(count.value()).toBe(1);
  });

  it('takes two composite keys of equal content for one', () => {
    const backend = openBackend();
    const seen = backend.valueState(valueState<number>('seen'));
    backend.setCurrentKey({ region: 'eu', id: 1 });
    seen.update(7);
    backend.setCurrentKey({ id: 1, region: 'eu' });
    expect(seen.value()).toBe(7);
  });

  it('gives the same state when asked again, and refuses another kind under the same name', () => {
    const backend = openBackend();
    const first = backend.valueState(valueState<number>('x'));
    expect(backend.valueState(valueState<number>('x'))).toBe(first);
    const error = errorOf(() => backend.mapState(mapState<string, number>('x')));
    expect(error.code).toBe('MILLRACE_STATE_CONFLICT');
    expect(error.details).toMatchObject({ operator: 'counter', state: 'x', known: 'value', asked: 'map' });
  });

  it('keeps timers and states of the same name apart', () => {
    const backend = openBackend();
    const value = backend.valueState(valueState<number>('x'));
    const timers = backend.timerTable('x');
    backend.setCurrentKey('a');
    value.update(1);
    timers.add(5, '');
    const restored = openBackend([backend.snapshotToMemory()]);
    const found: unknown[] = [];
    restored.timerTable('x').forEach(({ timestamp, key, namespace }) => found.push([timestamp, key, namespace]));
    restored.setCurrentKey('a');
    expect(found).toEqual([[5, 'a', '']]);
    expect(restored.valueState(valueState<number>('x')).value()).toBe(1);
  });

  it('refuses every access while no key is current', () => {
    const backend = openBackend();
    const value = backend.valueState(valueState<number>('v'));
    const list = backend.listState(listState<number>('l'));
    const map = backend.mapState(mapState<string, number>('m'));
    const sum = backend.reducingState(reducingState<number>('r', (a, b) => a + b));
    backend.setCurrentKey('a');
    value.update(1);
    backend.clearCurrentKey();
    const accesses = [
      () => value.value(),
      () => value.update(1),
      () => value.clear(),
      () => list.get(),
      () => list.add(1),
      () => map.get('a'),
      () => map.put('a', 1),
      () => map.isEmpty(),
      () => [...map.entries()],
      () => map.clear(),
      () => sum.add(1),
    ];
    for (const access of accesses) {
      const error = errorOf(access);
      expect(error.code).toBe('MILLRACE_STATE_NO_KEY');
      expect(error.details).toMatchObject({ operator: 'counter' });
    }
  });

  it('refuses a second operator of the same uid', () => {
    const store = new MemoryStateStore({ shardCount: SHARD_COUNT, shards: allShards, clock });
    store.openBackend('a');
    expect(errorOf(() => store.openBackend('a')).code).toBe('MILLRACE_STATE_CONFLICT');
  });

  it('visits each key that has the state, with that key as the current one, while rows come and go', () => {
    const backend = openBackend();
    const value = backend.valueState(valueState<number>('v'));
    const map = backend.mapState(mapState<string, number>('m'));
    for (const key of ['a', 'b', 'c']) {
      backend.setCurrentKey(key);
      value.update(1);
      map.put('x', 1);
      map.put('y', 1);
    }
    backend.setCurrentKey('b');
    value.clear();
    value.setCurrentNamespace('window');
    value.update(9);
    value.setCurrentNamespace('');
    backend.setCurrentKey('z');

    const visited = new Set<unknown>();
    backend.forEachKey('v', (key) => {
      visited.add(key);
      expect(backend.getCurrentKey()).toBe(key);
      value.clear();
      backend.setCurrentKey('new');
      value.update(1);
    });
    expect(visited).toEqual(new Set(['a', 'c']));
    expect(backend.getCurrentKey()).toBe('z');
    const withMap = new Set<unknown>();
    backend.forEachKey('m', (key) => withMap.add(key));
    expect(withMap).toEqual(new Set(['a', 'b', 'c']));
  });

  it('walks a map in the order of its keys, with or without a restore in between', () => {
    const backend = openBackend();
    const map = backend.mapState(mapState<string | number, number>('m'));
    backend.setCurrentKey('k');
    for (const key of ['b', 10, 'a', -1, 2, 'ä', 1.5]) map.put(key, 0);
    const expected = [-1, 2, 10, 1.5, 'a', 'b', 'ä'];
    expect([...map.keys()]).toEqual(expected);
    const restored = openBackend([backend.snapshotToMemory()]);
    restored.setCurrentKey('k');
    expect([...restored.mapState(mapState<string | number, number>('m')).keys()]).toEqual(expected);
  });

  it('walks a map as it was at the start, without what is removed on the way', () => {
    const backend = openBackend();
    const map = backend.mapState(mapState<number, number>('m'));
    backend.setCurrentKey('k');
    for (const key of [1, 2, 3]) map.put(key, key);
    const seen: number[] = [];
    for (const [key] of map.entries()) {
      seen.push(key);
      if (key === 1) map.remove(2);
      map.put(key + 10, 0);
    }
    expect(seen).toEqual([1, 3]);
  });

  it('answers a query for any key without losing the current one', () => {
    const backend = openBackend();
    const value = backend.valueState(valueState<number>('v'));
    const average = backend.aggregatingState(
      aggregatingState<number, number[], number>('mean', {
        createAccumulator: () => [],
        add: (added, all) => [...all, added],
        getResult: (all) => all.reduce((a, b) => a + b, 0) / all.length,
        merge: (a, b) => [...a, ...b],
      }),
    );
    const map = backend.mapState(mapState<string, number>('m'));
    backend.setCurrentKey('a');
    value.update(1);
    average.add(2);
    average.add(4);
    map.put('x', 5);
    backend.setCurrentKey('b');
    expect(backend.query('v', 'a')).toBe(1);
    expect(backend.query('mean', 'a')).toBe(3);
    expect(backend.query('m', 'a')).toEqual([['x', 5]]);
    expect(backend.query('v', 'nobody')).toBeUndefined();
    expect(backend.query('unknown', 'a')).toBeUndefined();
    expect(backend.getCurrentKey()).toBe('b');
  });
});

describe('a restore into memory', () => {
  it('deals the rows out to any ownership of shards', () => {
    const before = [0, 1, 2].map((subtask) => {
      const shards = shardsOfSubtask(subtask, 3, SHARD_COUNT);
      return { store: new MemoryStateStore({ shardCount: SHARD_COUNT, shards, clock }), shards };
    });
    const values = before.map(({ store }) => {
      const backend = store.openBackend('op');
      return { backend, value: backend.valueState(valueState<number>('v')) };
    });
    const owner = (key: number, parallelism: number): number => {
      const probe = openBackend();
      probe.setCurrentKey(key);
      return (probe.getCurrentKeyGroup() % SHARD_COUNT) % parallelism;
    };
    for (let key = 0; key < 100; key++) {
      const { backend, value } = values[owner(key, 3)] as (typeof values)[number];
      backend.setCurrentKey(key);
      value.update(key);
    }
    const restore = before.map(({ store }) => store.snapshotToMemory());
    const after = [0, 1].map((subtask) =>
      createHeapBackend({
        operatorUid: 'op',
        shardCount: SHARD_COUNT,
        shards: shardsOfSubtask(subtask, 2, SHARD_COUNT),
        clock,
        restore,
      }),
    );
    const restored = after.map((backend) => backend.valueState(valueState<number>('v')));
    for (let key = 0; key < 100; key++) {
      const index = owner(key, 2);
      after[index]?.setCurrentKey(key);
      expect(restored[index]?.value()).toBe(key);
    }
  });

  it('refuses a state whose kind or serialiser has changed, and keeps what is stored', () => {
    const backend = openBackend();
    backend.setCurrentKey('a');
    backend.valueState(valueState<number>('v')).update(1);
    const snapshot = backend.snapshotToMemory();

    const kind = errorOf(() => openBackend([snapshot]).listState(listState<number>('v')));
    expect(kind.code).toBe('MILLRACE_STATE_INCOMPATIBLE');
    expect(kind.details).toMatchObject({ operator: 'counter', state: 'v', storedKind: 'value', kind: 'list' });
    const json: Serde<number> = {
      name: 'json',
      serialise: (value) => Buffer.from(JSON.stringify(value)),
      deserialise: (bytes) => Number(JSON.parse(Buffer.from(bytes).toString())),
    };
    const serde = errorOf(() => openBackend([snapshot]).valueState(valueState<number>('v', { serde: json })));
    expect(serde.code).toBe('MILLRACE_STATE_INCOMPATIBLE');

    // A job that does not ask for the state passes it on.
    const passing = openBackend([snapshot]);
    passing.valueState(valueState<number>('other'));
    const later = openBackend([passing.snapshotToMemory()]);
    later.setCurrentKey('a');
    expect(later.valueState(valueState<number>('v')).value()).toBe(1);
  });

  it('refuses another number of shards', () => {
    const snapshot = openBackend().snapshotToMemory();
    const options = { shardCount: 8, shards: shardsOfSubtask(0, 1, 8), clock, restore: [snapshot] };
    expect(errorOf(() => new MemoryStateStore(options)).code).toBe('MILLRACE_STATE_INCOMPATIBLE');
  });

  it('names operator, state and place of a value that cannot be stored', () => {
    const backend = openBackend();
    backend.setCurrentKey('a');
    backend.valueState(valueState<unknown>('v')).update({ on: [() => 1] });
    const error = errorOf(() => backend.snapshotToMemory());
    expect(error.code).toBe('MILLRACE_SERIALISATION_FAILED');
    expect(error.details).toMatchObject({ operator: 'counter', state: 'v', path: '$.on[0]' });
  });

  it('names operator and state of a value that its serde cannot read', () => {
    const serde: Serde<number> = {
      name: 'moody',
      serialise: () => Buffer.of(1),
      deserialise: () => {
        throw new Error('not today');
      },
    };
    const backend = openBackend();
    backend.setCurrentKey('a');
    backend.valueState(valueState<number>('v', { serde })).update(1);
    const snapshot = backend.snapshotToMemory();
    const error = errorOf(() => openBackend([snapshot]).valueState(valueState<number>('v', { serde })));
    expect(error.code).toBe('MILLRACE_DESERIALISATION_FAILED');
    expect(error.details).toMatchObject({ operator: 'counter', state: 'v' });
  });
});

describe('a value that changes between number and object', () => {
  const values = [5, { object: true }, -0, 0.5, 'text', 2 ** 40, Number.NaN, 7, undefined, 8] as const;

  it('is what it was last set to, before and after a restore, under integer keys and others', () => {
    for (const key of [0, 1, -1, 2 ** 31 - 1, 2 ** 31, 1.5, 'text']) {
      const snapshots: MemorySnapshot[] = [];
      const backend = openBackend();
      const state = backend.valueState(valueState<unknown>('value'));
      for (const value of values) {
        backend.setCurrentKey(key);
        state.update(value);
        expect(Object.is(state.value(), value)).toBe(true);
        backend.setCurrentKey('another');
        backend.setCurrentKey(key);
        expect(Object.is(state.value(), value)).toBe(true);
        const keys: unknown[] = [];
        backend.forEachKey('value', (each) => keys.push(each));
        expect(keys).toEqual(value === undefined ? [] : [key]);
        snapshots.push(backend.snapshotToMemory());
      }
      for (const [index, value] of values.entries()) {
        const restored = openBackend([snapshots[index] as MemorySnapshot]);
        const again = restored.valueState(valueState<unknown>('value'));
        restored.setCurrentKey(key);
        expect(again.value()).toEqual(value);
      }
    }
  });
});
