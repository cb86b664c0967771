import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../../../src/base/log.js';
import { CheckpointStore } from '../../../src/checkpoint/checkpoint-store.js';
import { aManifest, aSegment, aSnapshot } from '../../helpers/checkpoint-builders.js';

let root: string;
let errors: { readonly fields: object; readonly text: string }[];

const logger: Logger = { ...silentLogger, error: (fields, text) => errors.push({ fields, text }) };
const checkpointDir = (): string => join(root, 'checkpoints');
const segmentDir = (): string => join(root, 'segments');
const open = (retainedCount = 2): Promise<CheckpointStore> =>
  CheckpointStore.open({ checkpointDir: checkpointDir(), segmentDir: segmentDir(), retainedCount, logger });
const manifests = (): string[] => readdirSync(checkpointDir()).sort();
const segments = (): string[] => readdirSync(segmentDir()).sort();
const writeSegment = (file: string): void => writeFileSync(join(segmentDir(), file), 'rows');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-checkpoints-'));
  errors = [];
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Flips one bit in the middle of a file. */
function damage(file: string): void {
  const path = join(checkpointDir(), file);
  const bytes = readFileSync(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
}

describe('CheckpointStore', () => {
  it('opens an empty folder as a job that never had a checkpoint', async () => {
    const store = await open();
    expect(store.latest).toBeNull();
    expect(store.nextCheckpointId).toBe(1);
  });

  it('finds the last committed checkpoint again after a restart, and continues the numbers', async () => {
    const store = await open();
    await store.commit(aManifest(1));
    await store.commit(aManifest(3));
    expect(store.latest?.checkpointId).toBe(3);
    const reopened = await open();
    expect(reopened.latest).toMatchObject({ checkpointId: 3, sources: aManifest(3).sources });
    expect(reopened.nextCheckpointId).toBe(4);
    expect(errors).toEqual([]);
  });

  it('calls a checkpoint number that was used before a defect', async () => {
    const store = await open();
    await store.commit(aManifest(2));
    await expect(store.commit(aManifest(2))).rejects.toThrow('checkpoint ids grow and are used once');
  });

  it('keeps as many checkpoints as it was told, and the segments that these need', async () => {
    const store = await open(2);
    // Each checkpoint still needs the segment of the one before.
    for (let id = 1; id <= 4; id++) {
      writeSegment(`segment-${id}.seg`);
      const needed = [aSegment(Math.max(1, id - 1)), aSegment(id)];
      await store.commit(aManifest(id, { snapshots: [aSnapshot(id, { segments: needed })] }));
    }
    expect(manifests()).toEqual(['manifest-3.ckpt', 'manifest-4.ckpt']);
    expect(segments()).toEqual(['segment-2.seg', 'segment-3.seg', 'segment-4.seg']);
    expect(store.retained.map(({ checkpointId }) => checkpointId)).toEqual([3, 4]);
  });

  it('never deletes a segment that no manifest names while workers run: it may be on its way', async () => {
    const store = await open(1);
    writeSegment('of-the-checkpoint-in-flight.seg');
    await store.commit(aManifest(1));
    await store.commit(aManifest(2));
    expect(segments()).toEqual(['of-the-checkpoint-in-flight.seg']);
  });

  it('sweeps what a crash left behind, before workers run', async () => {
    const store = await open();
    writeSegment('segment-1.seg');
    writeSegment('left-over.seg');
    await store.commit(aManifest(1));
    expect(await store.sweepSegments()).toBe(1);
    expect(segments()).toEqual(['segment-1.seg']);
  });

  it('takes a manifest that was not finished for one that was never there', async () => {
    const store = await open();
    await store.commit(aManifest(1));
    writeFileSync(join(checkpointDir(), 'manifest-2.ckpt.tmp'), 'half of a mani');
    const reopened = await open();
    expect(reopened.latest?.checkpointId).toBe(1);
    expect(errors).toEqual([]);
  });
});

describe('a damaged manifest', () => {
  async function withDamage(): Promise<CheckpointStore> {
    const store = await open();
    writeSegment('segment-1.seg');
    writeSegment('segment-2.seg');
    await store.commit(aManifest(1));
    await store.commit(aManifest(2));
    damage('manifest-2.ckpt');
    return open();
  }

  it('is passed over for the one before, and said so loudly', async () => {
    const store = await withDamage();
    expect(store.latest).toMatchObject({ checkpointId: 1, sources: aManifest(1).sources });
    expect(store.damagedIds).toEqual([2]);
    expect(errors).toMatchObject([
      {
        fields: { checkpointId: 2, error: { code: 'MILLRACE_STATE_CORRUPT' } },
        text: expect.stringContaining('damaged') as string,
      },
    ]);
  });

  it('keeps its number, and what it may need, from being used again', async () => {
    const store = await withDamage();
    expect(store.nextCheckpointId).toBe(3);
    expect(await store.sweepSegments()).toBe(0);
    expect(segments()).toEqual(['segment-1.seg', 'segment-2.seg']);
  });

  it('goes when enough newer checkpoints are there', async () => {
    const store = await withDamage();
    await store.commit(aManifest(3));
    expect(manifests()).toEqual(['manifest-1.ckpt', 'manifest-2.ckpt', 'manifest-3.ckpt']);
    await store.commit(aManifest(4));
    expect(manifests()).toEqual(['manifest-3.ckpt', 'manifest-4.ckpt']);
  });

  it('that was cut short, is empty, or has another number, is damaged as well', async () => {
    const store = await open(4);
    for (const id of [1, 2, 3, 4]) await store.commit(aManifest(id));
    truncateSync(join(checkpointDir(), 'manifest-2.ckpt'), 60);
    truncateSync(join(checkpointDir(), 'manifest-3.ckpt'), 0);
    writeFileSync(join(checkpointDir(), 'manifest-4.ckpt'), readFileSync(join(checkpointDir(), 'manifest-1.ckpt')));
    const reopened = await open();
    expect(reopened.latest?.checkpointId).toBe(1);
    expect(reopened.damagedIds).toEqual([2, 3, 4]);
  });

  it('is an error, with what to do, when no other is left: starting empty would lose everything silently', async () => {
    const store = await open();
    await store.commit(aManifest(1));
    damage('manifest-1.ckpt');
    await expect(open()).rejects.toMatchObject({
      code: 'MILLRACE_STATE_CORRUPT',
      message: `none of the 1 checkpoints in '${checkpointDir()}' can be read`,
      hint: expect.stringContaining('backup') as string,
    });
  });
});

describe('a folder that cannot be used', () => {
  it('is an error that names it', async () => {
    writeFileSync(checkpointDir(), 'a file where the folder should be');
    await expect(open()).rejects.toMatchObject({ details: { path: checkpointDir() } });
  });
});
