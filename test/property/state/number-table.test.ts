import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NumberRowSink } from '../../../src/state/number-blocks.js';
import { NumberTable } from '../../../src/state/number-table.js';
import { MemoryUsage, type Seal, type SealKind } from '../../../src/state/state-rows.js';

type Image = Map<number, number>;

/** A table, what it should hold, and what its snapshots together have stored. */
class World implements NumberRowSink {
  readonly usage = new MemoryUsage();
  readonly expected: Image = new Map();
  readonly stored: Image = new Map();
  /** The contents at the barrier of the seal that is open. */
  barrier: Image | null = null;
  epoch = 1;
  seal: Seal | null = null;
  readonly table = new NumberTable({ usage: this.usage, tracksChanges: true });

  append(key: number, values: Float64Array, index: number): void {
    this.stored.set(key, values[index] as number);
  }

  appendRemoved(key: number): void {
    this.stored.delete(key);
  }

  write(key: number, value: number): void {
    const slot = this.table.find(key);
    if (slot < 0) this.table.insert(key, value, this.epoch);
    else this.table.write(slot, value, this.epoch);
    this.expected.set(key, value);
  }

  remove(key: number): void {
    const slot = this.table.find(key);
    if (slot >= 0) this.table.remove(slot, this.epoch);
    this.expected.delete(key);
  }

  begin(kind: SealKind): void {
    this.finish();
    const entries = { take: () => null };
    // The table uses the epoch and the kind alone.
    this.seal = { rows: null as never, kind, epoch: this.epoch, sink: null as never, numbers: null, entries };
    this.barrier = new Map(this.expected);
    this.epoch += 1;
    if (!this.table.seal(this.seal, this)) this.check();
  }

  save(count: number): void {
    if (this.seal !== null && !this.table.saveSome(this.seal, count)) this.check();
  }

  finish(): void {
    while (this.seal !== null) this.save(1);
  }

  /** A seal is through: all that is stored is what was there at its barrier. */
  check(): void {
    expect(sorted(this.stored)).toEqual(sorted(this.barrier ?? new Map<number, number>()));
    this.seal = null;
  }
}

function sorted(image: Image): [number, number][] {
  return [...image].sort(([a], [b]) => a - b);
}

const key = fc.oneof(
  fc.integer({ min: -5, max: 40 }),
  fc.integer({ min: 0, max: 30 }).map((n) => n * 65_536),
  fc.integer(),
);
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('write' as const), key, value: fc.double({ noNaN: true }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('save' as const), count: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('seal' as const), isFull: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('many' as const), from: fc.nat(1000) }) },
);

describe('the table of numbers', () => {
  it('holds what was written, and its snapshots what was there at their barriers', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const world = new World();
        for (const each of steps) {
          if (each.kind === 'write') world.write(each.key, each.value);
          else if (each.kind === 'remove') world.remove(each.key);
          else if (each.kind === 'save') world.save(each.count);
          else if (each.kind === 'seal') world.begin(each.isFull ? 'full' : 'delta');
          else for (let index = 0; index < 100; index++) world.write(each.from + index * 7, index);
        }
        expect(sorted(new Map(world.table.rows()))).toEqual(sorted(world.expected));
        expect(world.usage.entries).toBe(world.expected.size);
        for (const [each, value] of world.expected) expect(world.table.read(world.table.find(each))).toBe(value);
        world.finish();
        world.begin('delta');
        world.finish();
        expect(sorted(world.stored)).toEqual(sorted(world.expected));
        expect(world.usage.dirtyBytes).toBe(0);
        // Nothing is left of what is removed, once a snapshot has said so.
        for (const each of world.expected.keys()) world.remove(each);
        world.begin('delta');
        world.finish();
        expect(world.stored.size).toBe(0);
        expect(world.table.isEmpty).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('finds all of its keys, whether neighbours or far apart', () => {
    for (const stride of [1, 4, 65_536 + 1]) {
      const world = new World();
      for (let index = 0; index < 100_000; index++) world.table.insert((index * stride) | 0, index, 1);
      let wrong = 0;
      for (let index = 0; index < 100_000; index++) {
        if (world.table.read(world.table.find((index * stride) | 0)) !== index) wrong += 1;
      }
      expect(wrong).toBe(0);
    }
  });
});
