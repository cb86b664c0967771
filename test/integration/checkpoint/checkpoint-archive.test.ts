import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CheckpointArchive } from '../../../src/checkpoint/checkpoint-archive.js';
import type { ArchiveFolder } from '../../../src/checkpoint/archive-folder.js';
import { DirectoryObjectStore } from '../../../src/checkpoint/directory-object-store.js';
import type { CheckpointId, ShardId } from '../../../src/base/ids.js';
import type { SnapshotHandle } from '../../../src/protocol/snapshot-handle.js';
import { aManifest, aSegment, aSnapshot } from '../../helpers/checkpoint-builders.js';

const id = (value: number): CheckpointId => value as CheckpointId;
const shard = (value: number): ShardId => value as ShardId;

describe('checkpoints in an object store', () => {
  let folder = '';
  let objects: DirectoryObjectStore;
  let archive: CheckpointArchive;
  let contents: ArchiveFolder;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-archive-'));
    objects = new DirectoryObjectStore(join(folder, 'objects'));
    archive = new CheckpointArchive(objects, 'job');
    contents = archive.folderOf('w');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('lists what was put, by writer and id, of this job alone', async () => {
    await archive.put('b', aManifest(2));
    await archive.put('a', aManifest(11));
    await archive.put('a', aManifest(3));
    await new CheckpointArchive(objects, 'other').put('a', aManifest(9));
    expect(await archive.list()).toEqual([
      { writer: 'a', checkpointId: 3 },
      { writer: 'a', checkpointId: 11 },
      { writer: 'b', checkpointId: 2 },
    ]);
    const found = await archive.get({ writer: 'a', checkpointId: id(11) });
    expect({ ...found, operatorStates: [] }).toEqual({ ...aManifest(11), operatorStates: [] });
    expect(await archive.get({ writer: 'a', checkpointId: id(4) })).toBeNull();
    // The newest of all writers is that of the newest time, which the builder takes from the id.
    expect(await archive.newest()).toMatchObject({ writer: 'a', checkpointId: 11 });
  });

  it('cuts a large file into pieces and puts it together again', async () => {
    const bytes = Buffer.alloc((16 << 20) * 2 + 12_345, 'millrace');
    await writeFile(join(folder, 'large'), bytes);
    expect(await contents.putSegment('large.seg', join(folder, 'large'))).toBe(bytes.length);
    await contents.fetchSegment('large.seg', join(folder, 'fetched'));
    expect((await readFile(join(folder, 'fetched'))).equals(bytes)).toBe(true);
    expect(await objects.list('job/w/segments/large.seg/')).toHaveLength(3);
  });

  it('names the object that is damaged, or that is not there', async () => {
    await writeFile(join(folder, 'one'), 'state of one segment');
    await contents.putSegment('one.seg', join(folder, 'one'));
    const [key = ''] = await objects.list('job/w/segments/one.seg/');
    const bytes = (await objects.get(key)) ?? Buffer.alloc(0);
    bytes[5] = (bytes[5] ?? 0) ^ 1;
    await objects.put(key, bytes);
    await expect(contents.fetchSegment('one.seg', join(folder, 'fetched'))).rejects.toMatchObject({
      code: 'MILLRACE_STATE_CORRUPT',
      message: expect.stringContaining('segments/one.seg/00000') as string,
    });
    await expect(contents.fetchSegment('two.seg', join(folder, 'fetched'))).rejects.toMatchObject({
      code: 'MILLRACE_STATE_CORRUPT',
    });
  });

  it('fetches the segments and bases of the shards asked for, and no others', async () => {
    const segment = (file: string, shards: number[]): SnapshotHandle['segments'][number] => ({
      file,
      checkpointId: id(7),
      kind: 'delta',
      bytes: 1,
      rows: 1,
      sections: shards.map((owned) => ({ shard: shard(owned), position: 16, frameCount: 1, rows: 1 })),
    });
    const handle: SnapshotHandle = {
      namespace: 'uid/with slash',
      backend: 'lmdb',
      checkpointId: id(8),
      shards: [shard(0), shard(1)],
      shardCount: 2,
      segments: [segment('both.seg', [0, 1]), segment('first.seg', [0])],
      bases: [
        { shard: shard(0), checkpointId: 5 },
        { shard: shard(1), checkpointId: 6 },
      ],
      bytes: 1,
      rows: 1,
    };
    await mkdir(join(folder, 'from'));
    for (const name of ['both.seg', 'first.seg']) {
      await writeFile(join(folder, 'from', name), name);
      await contents.putSegment(name, join(folder, 'from', name));
    }
    for (const base of handle.bases) {
      await writeFile(join(folder, 'from', 'base'), `base ${String(base.shard)}`);
      await contents.putBase({ namespace: handle.namespace, ...base }, join(folder, 'from', 'base'));
    }

    const to = { segmentDir: join(folder, 'segments'), stateDir: join(folder, 'state'), filePrefix: 'w~' };
    const fetched = await contents.fetchShards(handle, { shards: new Set([shard(1)]), ...to });
    expect(fetched.shards).toEqual([1]);
    expect(fetched.bases).toEqual([{ shard: 1, checkpointId: 6 }]);
    expect(fetched.segments.map(({ file }) => file)).toEqual(['w~both.seg']);
    expect(fetched.segments[0]?.sections.map((section) => section.shard)).toEqual([1]);
    expect(await readFile(join(folder, 'segments', 'w~both.seg'), 'utf8')).toBe('both.seg');
    const base = join(folder, 'state', 'uid%2Fwith%20slash', 'shard-001', 'data.mdb');
    expect(await readFile(base, 'utf8')).toBe('base 1');
    await expect(readFile(join(folder, 'segments', 'w~first.seg'))).rejects.toThrow('ENOENT');
  });

  it('deletes what no kept manifest names, and nothing else', async () => {
    await writeFile(join(folder, 'file'), 'bytes');
    const kept = aManifest(4, {
      snapshots: [aSnapshot(4, { segments: [aSegment(4, 'kept.seg')], bases: [{ shard: shard(0), checkpointId: 2 }] })],
    });
    for (const name of ['kept.seg', 'old.seg']) await contents.putSegment(name, join(folder, 'file'));
    for (const checkpointId of [1, 2]) {
      await contents.putBase({ namespace: 'main', shard: shard(0), checkpointId }, join(folder, 'file'));
    }
    await archive.put('w', kept);
    await contents.sweep([kept]);
    expect(await objects.list('')).toEqual([
      'job/w/bases/main/0-2/00000-of-00001',
      'job/w/manifests/0000000000000004',
      'job/w/segments/kept.seg/00000-of-00001',
    ]);
    await contents.deleteAll();
    expect(await objects.list('')).toEqual([]);
  });
});
