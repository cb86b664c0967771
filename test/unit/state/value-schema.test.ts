import { describe, expect, it } from 'vitest';
import { shardsOfSubtask } from '../../../src/api/internal/key-groups.js';
import { listState, mapState, valueState } from '../../../src/api/keyed-state.js';
import { createHeapBackend, type MemorySnapshot } from '../../../src/state/memory-state-store.js';
import { errorOf } from '../../helpers/error-of.js';
import { checkpoint, openStore } from '../../helpers/state-stores.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';
import { refusalOf } from '../../helpers/refusal-of.js';

type Backend = ReturnType<typeof createHeapBackend>;

function openBackend(restore: readonly MemorySnapshot[] = []): Backend {
  const shards = shardsOfSubtask(0, 1, 4);
  return createHeapBackend({ operatorUid: 'op', shardCount: 4, shards, clock: { now: () => 0 }, restore });
}

interface Cents {
  readonly cents: number;
}

const asCents = (version: number, value: unknown): Cents => ({
  cents: version === 1 ? (value as number) * 100 : (value as { amount: number }).amount,
});

describe('the schema version of values', () => {
  it('tells the migrating function what it reads, value by value', () => {
    const first = openBackend();
    const before = first.valueState(valueState<number>('total'));
    for (const [key, value] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      first.setCurrentKey(key);
      before.update(value);
    }
    const second = openBackend([first.snapshotToMemory()]);
    const middle = second.valueState(
      valueState<object>('total', { version: 2, migrate: (_version, value) => ({ amount: (value as number) * 100 }) }),
    );
    second.setCurrentKey('a');
    expect(middle.value()).toEqual({ amount: 100 });
    middle.update({ amount: 150 });

    const third = openBackend([second.snapshotToMemory()]);
    const after = third.valueState(valueState<Cents>('total', { version: 3, migrate: asCents }));
    third.setCurrentKey('a');
    expect(after.value()).toEqual({ cents: 150 });
    third.setCurrentKey('b');
    expect(after.value()).toEqual({ cents: 200 });
  });

  it('holds for items of lists and entries of maps, with a time to live and without', () => {
    for (const ttl of [undefined, { ttlMs: 1000 }]) {
      const options = ttl === undefined ? {} : { ttl };
      const first = openBackend();
      first.setCurrentKey('a');
      first.listState(listState<number>('list', options)).addAll([1, 2]);
      first.mapState(mapState<string, number>('map', options)).put('x', 3);
      const second = openBackend([first.snapshotToMemory()]);
      const migrate = (version: number, value: unknown): string => `${String(value)} of ${String(version)}`;
      second.setCurrentKey('a');
      const list = second.listState(listState<string>('list', { ...options, version: 7, migrate }));
      expect(list.get()).toEqual(['1 of 1', '2 of 1']);
      const map = second.mapState(mapState<string, string>('map', { ...options, version: 7, migrate }));
      expect([...map.entries()]).toEqual([['x', '3 of 1']]);
      list.add('new');
      const third = openBackend([second.snapshotToMemory()]);
      third.setCurrentKey('a');
      expect(third.listState(listState<string>('list', { ...options, version: 7, migrate })).get()).toEqual([
        '1 of 1',
        '2 of 1',
        'new',
      ]);
    }
  });

  it('migrates what lies in a base only when it is read, and stores it anew only when it is changed', async () => {
    await withTemporaryDirectory(async (directory) => {
      const first = await openStore(directory);
      const before = first.openBackend('op');
      const numbers = before.valueState(valueState<number>('total'));
      for (let key = 0; key < 10; key++) {
        before.setCurrentKey(`k${key}`);
        numbers.update(key);
      }
      const restore = await checkpoint(first, 1);
      await first.close();

      const migrated: unknown[] = [];
      const second = await openStore(directory, { restore });
      const op = second.openBackend('op');
      const cents = op.valueState(
        valueState<Cents>('total', {
          version: 2,
          migrate: (_version, value) => {
            migrated.push(value);
            return { cents: (value as number) * 100 };
          },
        }),
      );
      expect(migrated).toEqual([]);
      op.setCurrentKey('k3');
      expect(cents.value()).toEqual({ cents: 300 });
      expect(migrated).toEqual([3]);
      const handle = await checkpoint(second, 2);
      expect(handle.handles[0]?.rows, 'nothing was changed, so nothing was written').toBe(0);
      await second.close();
    });
  });

  it('refuses a value of a newer version, and one that cannot be migrated, with names and a hint', () => {
    const first = openBackend();
    first.setCurrentKey('a');
    first.valueState(valueState<number>('total', { version: 4, migrate: () => 0 })).update(1);
    const snapshot = first.snapshotToMemory();
    const newer = errorOf(() => openBackend([snapshot]).valueState(valueState<number>('total')));
    expect(newer).toMatchObject({
      code: 'MILLRACE_STATE_INCOMPATIBLE',
      details: { operator: 'op', state: 'total', stored: 4, version: 1 },
    });
    const throwing = { version: 5, migrate: (): number => JSON.parse('{') as number };
    const failed = errorOf(() => openBackend([snapshot]).valueState(valueState<number>('total', throwing)));
    expect(failed).toMatchObject({
      code: 'MILLRACE_STATE_MIGRATION_FAILED',
      details: { operator: 'op', state: 'total', stored: 4, version: 5 },
    });
    const nothing = { version: 5, migrate: (): undefined => undefined };
    expect(errorOf(() => openBackend([snapshot]).valueState(valueState('total', nothing))).message).toContain(
      'undefined',
    );
  });

  it('is checked where the state is declared', () => {
    expect(refusalOf(() => valueState('x', { version: 2 }))).toContain('no function that migrates');
    for (const version of [0, 1.5, -1, 65_536, Number.NaN]) {
      expect(refusalOf(() => listState('x', { version, migrate: () => 1 }))).toContain('whole number');
    }
  });
});
