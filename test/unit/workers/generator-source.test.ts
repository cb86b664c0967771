import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CollectionSourceSpec } from '../../../src/api/internal/operator-spec.js';
import { GeneratorSource } from '../../../src/workers/generator-source.js';

const collection = (length: number): CollectionSourceSpec => ({
  kind: 'collection-source',
  values: Array.from({ length }, (_, index) => index),
});

describe('a source in the worker', () => {
  it('gives every index exactly once, however often it is restored and at whatever parallelism', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 200 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 40 })), {
          minLength: 1,
          maxLength: 5,
        }),
        (length, runs) => {
          const spec = collection(length);
          const seen: unknown[] = [];
          let stored: unknown[] | null = null;
          for (const [run, [parallelism, steps]] of runs.entries()) {
            const sources: GeneratorSource[] = Array.from({ length: parallelism }, (_, index) => {
              const restored = stored?.filter((_range, place) => place % parallelism === index);
              return new GeneratorSource(spec, { index, parallelism }, restored);
            });
            // The last run goes to the end; the others are cut short at different places.
            for (const [index, source] of sources.entries()) {
              const limit = run === runs.length - 1 ? Infinity : steps + index;
              for (let step = 0; step < limit; step++) {
                const value = source.next();
                if (value === undefined) break;
                seen.push(value);
              }
            }
            stored = sources.flatMap((source) => source.snapshot());
          }
          expect((seen as number[]).toSorted((a, b) => a - b)).toEqual(spec.values);
          expect(stored).toEqual([]);
        },
      ),
    );
  });

  it('that has ended stays ended after a restore', () => {
    const source = new GeneratorSource(collection(0), { index: 0, parallelism: 1 }, undefined);
    expect(source.next()).toBeUndefined();
    const restored = new GeneratorSource(collection(5), { index: 0, parallelism: 1 }, source.snapshot());
    expect(restored.next()).toBeUndefined();
  });

  it('asks again for the index whose function threw', () => {
    let throws = true;
    const source = new GeneratorSource(
      {
        kind: 'generator-source',
        next: (index) => {
          if (index === 1 && throws) throw new Error('not yet');
          return index;
        },
      },
      { index: 0, parallelism: 1 },
      undefined,
    );
    expect(source.next()).toBe(0);
    expect(() => source.next()).toThrow('not yet');
    throws = false;
    expect(source.next()).toBe(1);
  });
});
