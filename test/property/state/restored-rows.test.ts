import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyGroupOf } from '../../../src/api/internal/key-bytes.js';
import type { ShardId } from '../../../src/base/ids.js';
import { RestoredRows } from '../../../src/state/restored-rows.js';
import { CHECKSUM_BYTES, SectionCursor } from '../../../src/state/section.js';
import { numberCodec, storedVersion } from '../../../src/state/value-codec.js';
import { RowKeyReader } from '../../../src/state/key-encoding.js';
import { WriteBuffer } from '../../../src/state/write-buffer.js';
import { change, type Change, nameOf, sectionOf } from '../../helpers/snapshot-sections.js';

/** Value and schema version by namespace and key; of the newest change of each row that was not its removal. */
function modelOf(changes: readonly Change[], stateId: number): Map<string, [number, number]> {
  const model = new Map<string, [number, number]>();
  for (const each of changes) {
    if (each.stateId !== stateId) continue;
    if (each.value === undefined) model.delete(nameOf(each));
    else model.set(nameOf(each), [each.value, each.version]);
  }
  return model;
}

function readRow(reader: RowKeyReader, value: Buffer): [string, [number, number]] {
  const key = reader.readElement() as number;
  const namespace = reader.readNamespace();
  const version = storedVersion(value);
  return [nameOf({ namespace, key }), [numberCodec(version).read(value, 0, value.length) as number, version]];
}

function takeAll(restored: RestoredRows, stateId: number, numberVersion: number | null): Map<string, [number, number]> {
  const found = new Map<string, [number, number]>();
  restored.take(stateId, {
    numberVersion,
    onRow: (reader, { keyGroup, source, valueStart, valueEnd }) => {
      const [name, stored] = readRow(reader, source.subarray(valueStart, valueEnd));
      expect(found.has(name)).toBe(false);
      expect(keyGroup).toBe(keyGroupOf(Number(name.split(' ')[1])));
      found.set(name, stored);
    },
    onNumber: (namespace, key, value) => {
      const name = nameOf({ namespace, key });
      if (value === undefined) found.delete(name);
      else found.set(name, [value, numberVersion ?? 0]);
    },
  });
  return found;
}

describe('restored rows', () => {
  const generations = fc.array(fc.array(change, { maxLength: 20 }), { maxLength: 4 });

  it('are the newest of several snapshots, whether or not a state takes its numbers as they are', () => {
    fc.assert(
      fc.property(generations, fc.constantFrom(null, 1, 2), (changes, numberVersion) => {
        const restored = new RestoredRows(changes.map(sectionOf));
        for (const stateId of [2, 1, 0]) {
          expect(takeAll(restored, stateId, numberVersion)).toEqual(modelOf(changes.flat(), stateId));
          expect(takeAll(restored, stateId, numberVersion).size).toBe(0);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('go into the next full snapshot when nobody asks for their state', () => {
    fc.assert(
      fc.property(generations, fc.nat(2), (changes, taken) => {
        const restored = new RestoredRows(changes.map(sectionOf));
        takeAll(restored, taken, 1);
        const copy = new WriteBuffer();
        const count = restored.copyTo(copy);
        const models = [0, 1, 2].map((stateId) => modelOf(stateId === taken ? [] : changes.flat(), stateId));
        const cursor = new SectionCursor(copy.toSection(0 as ShardId, []));
        const reader = new RowKeyReader();
        const found = models.map(() => new Map<string, [number, number]>());
        while (cursor.advance()) {
          reader.open(cursor.source, cursor.keyStart, cursor.keyEnd);
          const value = cursor.source.subarray(cursor.keyEnd + CHECKSUM_BYTES, cursor.valueEnd);
          found[cursor.stateId]?.set(...readRow(reader, value));
        }
        expect(found).toEqual(models);
        expect(count).toBe(models.reduce((sum, { size }) => sum + size, 0));
      }),
    );
  });
});
