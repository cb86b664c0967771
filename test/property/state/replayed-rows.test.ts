import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ShardId } from '../../../src/base/ids.js';
import { ReplayedRows } from '../../../src/state/replayed-rows.js';
import { ROW_HEADER_BYTES, CHECKSUM_BYTES, type Section, TOMBSTONE } from '../../../src/state/section.js';

/** Row keys share beginnings, and some are the beginning of others. */
const rowKey = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 });
const layer = fc.dictionary(rowKey, fc.option(fc.nat(9).map(String), { nil: null }));

function sectionOf(rows: Readonly<Record<string, string | null>>): Section {
  const frames = Object.entries(rows)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => {
      const header = Buffer.alloc(ROW_HEADER_BYTES);
      header.writeUInt16LE(key.length, 0);
      header.writeUInt32LE(value === null ? TOMBSTONE : value.length, 2);
      const rest = value === null ? [] : [Buffer.alloc(CHECKSUM_BYTES), Buffer.from(value)];
      return Buffer.concat([header, Buffer.from(key), ...rest]);
    });
  return { shard: 0 as ShardId, dictionary: [], frames, rows: frames.length };
}

it('rows replayed over a base read like a base to which they have been written', () => {
  fc.assert(
    fc.property(
      fc.dictionary(rowKey, fc.nat(9).map(String)),
      fc.array(layer, { maxLength: 3 }),
      fc.option(rowKey, { nil: '' }),
      fc.nat(5),
      (base, layers, prefix, visitsMax) => {
        const replayed = new ReplayedRows(layers.map(sectionOf));
        const newest = new Map(layers.flatMap((rows) => Object.entries(rows)));
        for (const key of [...newest.keys(), ...Object.keys(base), 'bbbbb']) {
          const found = replayed.read(Buffer.from(key));
          expect(found instanceof Buffer ? found.toString() : found).toEqual(newest.get(key));
        }

        const written = new Map<string, string | null>([...Object.entries(base), ...newest]);
        const expected = [...written]
          .filter(([key, value]) => key.startsWith(prefix) && value !== null)
          .toSorted(([a], [b]) => (a < b ? -1 : 1));
        const seen: [string, string][] = [];
        replayed.readRange(
          Buffer.from(prefix),
          (visit) => {
            for (const key of Object.keys(base).toSorted()) {
              if (!key.startsWith(prefix)) continue;
              if (!visit(Buffer.from(key), Buffer.from(base[key] ?? ''))) return;
            }
          },
          (key, value) => seen.push([key.toString(), value.toString()]) <= visitsMax,
        );
        expect(seen).toEqual(expected.slice(0, visitsMax + 1));
      },
    ),
  );
});
