import fc from 'fast-check';
import { keyGroupOf } from '../../src/api/internal/key-bytes.js';
import type { Namespace } from '../../src/api/internal/state-backend.js';
import type { ShardId } from '../../src/base/ids.js';
import { Entry, NamespacedEntry } from '../../src/state/entry.js';
import { NumberSink, type ShardBlocks } from '../../src/state/number-blocks.js';
import type { SnapshotSection } from '../../src/state/section.js';
import { numberCodec } from '../../src/state/value-codec.js';
import { WriteBuffer } from '../../src/state/write-buffer.js';

/** What a snapshot says of a row: of state 0 numbers and other rows, of state 1 numbers alone, of state 2 other rows alone. */
export const change = fc.record({
  stateId: fc.nat(2),
  version: fc.constantFrom(1, 2),
  namespace: fc.constantFrom('', 60_000),
  key: fc.nat(8),
  value: fc.option(fc.integer({ min: 1 }), { nil: undefined }),
});
export type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

export const nameOf = ({ namespace, key }: { namespace: Namespace; key: number }): string => `${namespace} ${key}`;

/** One shard's part of a snapshot. What a row of state 0 is depends on key and version: it may be another in the next snapshot. */
export function sectionOf(changes: readonly Change[]): SnapshotSection {
  const blocks: ShardBlocks[] = [];
  const rows = new WriteBuffer();
  const last = new Map(changes.map((each) => [`${each.stateId} ${nameOf(each)}`, each]));
  for (const { stateId, version, namespace, key, value } of last.values()) {
    if (stateId === 1 || (stateId === 0 && (key + version) % 2 === 0)) {
      const sink = new NumberSink(blocks, { namespace, version, stateIds: [stateId] });
      if (value === undefined) sink.appendRemoved(key);
      else sink.append(key, Float64Array.of(value), 0);
      continue;
    }
    const keyGroup = keyGroupOf(key);
    const entry =
      namespace === '' ? new Entry(key, keyGroup) : new NamespacedEntry(key, keyGroup, namespace, undefined);
    entry.value = value;
    rows.append(entry, stateId, numberCodec(version));
  }
  const { frames, rows: rowCount } = rows.toSection(0 as ShardId, []);
  const numberFrames = blocks[0]?.finish() ?? [];
  const numberCount = blocks[0]?.rowCount ?? 0;
  return { shard: 0 as ShardId, dictionary: [], rowFrames: frames, numberFrames, rows: rowCount + numberCount };
}
