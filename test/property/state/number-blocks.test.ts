import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyGroupOfInt32, shardOfKeyGroup } from '../../../src/api/internal/key-groups.js';
import type { ShardId } from '../../../src/base/ids.js';
import { Entry, NamespacedEntry } from '../../../src/state/entry.js';
import {
  blocksOf,
  forEachNumber,
  isNumberFrame,
  NumberSink,
  type ShardBlocks,
} from '../../../src/state/number-blocks.js';
import { sortedSection } from '../../../src/state/section-reader.js';
import { numberCodec } from '../../../src/state/value-codec.js';
import { WriteBuffer } from '../../../src/state/write-buffer.js';

const SHARDS = 2;

/** States of two versions, with and without windows; a number of one in each shard. */
const kinds = [
  { namespace: '', version: 1, stateIds: [0, 1] },
  { namespace: 60_000, version: 1, stateIds: [0, 1] },
  { namespace: -1.5, version: 1, stateIds: [0, 1] },
  { namespace: '', version: 7, stateIds: [300, 2] },
] as const;

const numberRow = fc.record({
  kind: fc.nat(kinds.length - 1),
  key: fc.oneof(fc.integer(), fc.integer({ min: -300, max: 300 })),
  value: fc.option(fc.oneof(fc.integer(), fc.double()), { nil: undefined }),
});
type NumberRow = typeof numberRow extends fc.Arbitrary<infer T> ? T : never;

/** The frames of both shards, one row per state, namespace and key; and the same rows, serialised one by one. */
function framesOf(rows: readonly NumberRow[]): { frames: (readonly Buffer[])[]; serialised: WriteBuffer[] } {
  const blocks: (ShardBlocks | undefined)[] = [];
  const sinks = kinds.map((kind) => new NumberSink(blocks, kind));
  const serialised = Array.from({ length: SHARDS }, () => new WriteBuffer());
  for (const { kind, key, value } of new Map(rows.map((row) => [`${row.kind} ${row.key}`, row])).values()) {
    const { namespace, version, stateIds } = kinds[kind] as (typeof kinds)[number];
    if (value === undefined) sinks[kind]?.appendRemoved(key);
    else sinks[kind]?.append(key, Float64Array.of(0, value), 1);
    const keyGroup = keyGroupOfInt32(key);
    const shard = shardOfKeyGroup(keyGroup, SHARDS);
    const entry =
      namespace === '' ? new Entry(key, keyGroup) : new NamespacedEntry(key, keyGroup, namespace, undefined);
    entry.value = value;
    serialised[shard]?.append(entry, stateIds[shard] as number, numberCodec(version));
  }
  return { frames: serialised.map((_, shard) => blocks[shard]?.finish() ?? []), serialised };
}

describe('blocks of numbers', () => {
  it('become the sorted rows that serialising each number gives, beside rows that lie sorted already', () => {
    fc.assert(
      fc.property(fc.array(numberRow, { maxLength: 300 }), fc.array(fc.string(), { maxLength: 10 }), (rows, texts) => {
        const { frames, serialised } = framesOf(rows);
        for (const [shard, all] of serialised.entries()) {
          const beside = new WriteBuffer();
          for (const text of new Set(texts)) {
            const entry = new Entry(text, 5);
            entry.value = 1;
            for (const buffer of [beside, all]) buffer.append(entry, 4, numberCodec(1));
          }
          const id = shard as ShardId;
          const rowFrames = beside.toSection(id, []).frames;
          const section = {
            shard: id,
            dictionary: [],
            rowFrames,
            numberFrames: frames[shard] ?? [],
            rows: all.rowCount,
          };
          expect(sortedSection(section)).toEqual(all.toSection(id, []));
        }
      }),
    );
  });

  it('hold many rows over several frames', () => {
    const rows = Array.from({ length: 60_000 }, (_, key) => ({
      kind: 0,
      key,
      value: key % 10 === 0 ? undefined : key / 7,
    }));
    const { frames, serialised } = framesOf(rows);
    for (const [shard, all] of serialised.entries()) {
      const id = shard as ShardId;
      const numberFrames = frames[shard] ?? [];
      expect(numberFrames.length).toBeGreaterThan(5);
      const section = sortedSection({ shard: id, dictionary: [], rowFrames: [], numberFrames, rows: all.rowCount });
      expect(Buffer.concat(section.frames).equals(Buffer.concat(all.toSection(id, []).frames))).toBe(true);
    }
  });

  it('are told from anything else, whatever bytes a frame holds', () => {
    const isReadAsSaid = (frame: Buffer): boolean => {
      let rowCount = 0;
      for (const block of blocksOf(frame)) forEachNumber(frame, block, () => rowCount++);
      return isNumberFrame(frame) || rowCount * 4 < frame.length;
    };
    fc.assert(
      fc.property(
        fc.array(numberRow, { minLength: 1, maxLength: 30 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(),
        (rows, changes, cut) => {
          for (const frame of framesOf(rows).frames.flat()) {
            expect(isNumberFrame(frame)).toBe(true);
            expect(isNumberFrame(frame.subarray(0, frame.length - 1))).toBe(false);
            for (const [at, byte] of changes) frame[at % frame.length] = byte;
            expect(isReadAsSaid(frame)).toBe(true);
            expect(isReadAsSaid(frame.subarray(0, cut % frame.length))).toBe(true);
          }
        },
      ),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => isReadAsSaid(Buffer.from(bytes))));
  });
});
