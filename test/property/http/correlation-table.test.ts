import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { CorrelationTable } from '../../../src/http/correlation-table.js';

// Few different beginnings, so that ids collide and probe past each other around the end of the array.
const id = fc
  .tuple(fc.constantFrom('aaaaaaaa', 'bbbbbbbb', 'cccccccd', '00000000'), fc.nat(200))
  .map(([a, b]) => a + b);
const step = fc.tuple(fc.constantFrom('add', 'add', 'delete', 'get'), id);

describe('CorrelationTable, for any order of additions and deletions', () => {
  it('holds what a Map would', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 900, size: 'max' }), (steps) => {
        const table = new CorrelationTable<{ readonly correlationId: string }>();
        const model = new Map<string, { readonly correlationId: string }>();
        for (const [kind, correlationId] of steps) {
          const entry = { correlationId };
          if (kind === 'add') {
            expect(table.add(entry)).toBe(!model.has(correlationId));
            if (!model.has(correlationId)) model.set(correlationId, entry);
          } else if (kind === 'delete') {
            expect(table.delete(correlationId)).toBe(model.delete(correlationId));
          } else {
            expect(table.get(correlationId)).toBe(model.get(correlationId));
          }
          expect(table.size).toBe(model.size);
        }
        for (const [correlationId, entry] of model) expect(table.get(correlationId)).toBe(entry);
        expect(new Set(table.entries())).toEqual(new Set(model.values()));
      }),
      { numRuns: 80 },
    );
  });
});
