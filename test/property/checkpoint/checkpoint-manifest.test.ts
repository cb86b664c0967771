import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import type { CheckpointId, ShardId } from '../../../src/base/ids.js';
import { silentLogger } from '../../../src/base/log.js';
import {
  type CheckpointManifest,
  decodeManifest,
  encodeManifest,
} from '../../../src/checkpoint/checkpoint-manifest.js';
import { CheckpointStore } from '../../../src/checkpoint/checkpoint-store.js';
import { aManifest } from '../../helpers/checkpoint-builders.js';

const count = fc.maxSafeNat();
const anyName = fc.string({ minLength: 1, maxLength: 8 }).filter((name) => name !== '__proto__');
const anyOffsets = fc.dictionary(fc.nat(1000).map(String), count, { maxKeys: 4 });
const anyBytes = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));

const anyManifest: fc.Arbitrary<CheckpointManifest> = fc.record({
  checkpointId: fc.integer({ min: 1 }).map((id) => id as CheckpointId),
  jobName: fc.string(),
  timestamp: count,
  keyGroupCount: count,
  shardCount: count,
  sources: fc.dictionary(anyName, fc.record({ topic: fc.string(), offsets: anyOffsets }), { maxKeys: 3 }),
  outputs: fc.dictionary(anyName, anyOffsets, { maxKeys: 3 }),
  operators: fc.array(fc.record({ id: fc.string(), parallelism: count, stateNamespace: fc.option(fc.string()) }), {
    maxLength: 3,
  }),
  snapshots: fc.array(
    fc.record({
      namespace: fc.string(),
      backend: fc.constantFrom('heap' as const, 'lmdb' as const),
      checkpointId: count.map((id) => id as CheckpointId),
      shards: fc.array(
        fc.nat(1023).map((shard) => shard as ShardId),
        { maxLength: 4 },
      ),
      shardCount: count,
      segments: fc.array(
        fc.record({
          file: fc.string(),
          checkpointId: count.map((id) => id as CheckpointId),
          kind: fc.constantFrom('full' as const, 'delta' as const),
          bytes: count,
          rows: count,
          sections: fc.array(
            fc.record({
              shard: fc.nat(9).map((shard) => shard as ShardId),
              position: count,
              frameCount: count,
              rows: count,
            }),
            { maxLength: 2 },
          ),
        }),
        { maxLength: 2 },
      ),
      bases: fc.array(
        fc.record(
          {
            shard: fc.nat(9).map((shard) => shard as ShardId),
            checkpointId: count,
            writer: fc.string(),
            lineage: fc.string(),
          },
          { requiredKeys: ['shard', 'checkpointId'] },
        ),
        { maxLength: 2 },
      ),
      bytes: count,
      rows: count,
    }),
    { maxLength: 2 },
  ),
  origin: fc.option(fc.record({ id: fc.string(), stateFolder: fc.string(), isFresh: fc.boolean() })),
  savepointId: fc.option(fc.string()),
  operatorStates: fc.array(
    fc.record({
      operatorId: fc.string(),
      subtask: count,
      lists: fc.dictionary(anyName, fc.array(anyBytes, { maxLength: 3 }), { maxKeys: 2 }),
    }),
    { maxLength: 2 },
  ),
});

describe('a checkpoint manifest', () => {
  it('comes back from its bytes as it was', () => {
    fc.assert(
      fc.property(anyManifest, (manifest) => {
        expect(decodeManifest(encodeManifest(manifest), 'm.ckpt')).toEqual(manifest);
      }),
    );
  });

  it('with any field replaced by anything is read as a manifest or refused by a code, never taken otherwise', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(aManifest(1))), fc.jsonValue({ maxDepth: 3 }), (field, value) => {
        const document = {
          ...(JSON.parse(Buffer.from(encodeManifest(aManifest(1))).toString()) as object),
          [field]: value,
        };
        try {
          decodeManifest(Buffer.from(JSON.stringify(document)), 'm.ckpt');
        } catch (error) {
          expect(MillraceError.is(error, 'MILLRACE_STATE_CORRUPT')).toBe(true);
        }
      }),
    );
  });
});

describe('CheckpointStore, after one byte of its newest manifest changed', () => {
  let root: string;
  let intact: Buffer;
  const newest = (): string => join(root, 'checkpoints', 'manifest-2.ckpt');
  const open = (): Promise<CheckpointStore> =>
    CheckpointStore.open({
      checkpointDir: join(root, 'checkpoints'),
      segmentDir: join(root, 'segments'),
      retainedCount: 2,
      logger: silentLogger,
    });

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'millrace-manifest-'));
    const store = await open();
    await store.commit(aManifest(1));
    await store.commit(aManifest(2));
    intact = readFileSync(newest());
  });

  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it('goes on from the checkpoint before, wherever the byte is and whatever it became', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(intact.length - 1), fc.integer({ min: 1, max: 255 }), async (position, change) => {
        const bytes = Buffer.from(intact);
        bytes[position] = (bytes[position] ?? 0) ^ change;
        writeFileSync(newest(), bytes);
        const store = await open();
        expect(store.latest?.checkpointId).toBe(1);
        expect(store.damagedIds).toEqual([2]);
      }),
      { numRuns: 150 },
    );
  });

  it('goes on from the checkpoint before, wherever the file was cut short', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(intact.length - 1), async (length) => {
        writeFileSync(newest(), intact.subarray(0, length));
        expect((await open()).latest?.checkpointId).toBe(1);
      }),
      { numRuns: 50 },
    );
  });
});
