/**
 * What a completed checkpoint is, on disk: one JSON document that names everything needed to go on from it. Writing it is
 * the commit point. Its bytes are wrapped by storage/atomic-file.ts in a frame with a checksum.
 *
 * The format has a version; a document of a newer one is refused, never guessed at.
 */
import { MillraceError } from '../base/errors.js';
import type { CheckpointId, ShardId } from '../base/ids.js';
import type { OperatorStateSnapshot } from '../protocol/control-message.js';
import type { BaseHandle, SegmentHandle, SnapshotHandle } from '../protocol/snapshot-handle.js';
import { type JsonReader, jsonReader } from './json-reader.js';

/** Raised with every change that a reader of the version before would misread. */
export const MANIFEST_VERSION = 2;

const FORMAT = 'millrace-checkpoint';

/** Offsets by topic partition: of the next record to read, or one past the last that was written. */
export type PartitionOffsets = Readonly<Record<number, number>>;

/** Where a source stood at the barrier. */
export interface SourceOffsets {
  readonly topic: string;
  readonly offsets: PartitionOffsets;
}

/** An operator of the job as it ran, so that a restore can tell whose state nobody claims. */
export interface ManifestOperator {
  readonly id: string;
  readonly parallelism: number;
  /** Where its keyed state lies; `null` when it has none. */
  readonly stateNamespace: string | null;
}

/** The checkpoint from elsewhere that a job was restored from, last. */
export interface ManifestOrigin {
  /** Of the savepoint, or of the archived checkpoint. */
  readonly id: string;
  /** The folder, within that of state, in which bases lie since. */
  readonly stateFolder: string;
  /** Whether this is the restored checkpoint itself, and none has been taken since. */
  readonly isFresh: boolean;
}

/** A completed checkpoint. */
export interface CheckpointManifest {
  readonly checkpointId: CheckpointId;
  readonly jobName: string;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly keyGroupCount: number;
  readonly shardCount: number;
  /** By the source's uid. */
  readonly sources: Readonly<Record<string, SourceOffsets>>;
  /** By topic: how far the output of exactly-once sinks is visible. Empty without such sinks. */
  readonly outputs: Readonly<Record<string, PartitionOffsets>>;
  readonly operators: readonly ManifestOperator[];
  readonly snapshots: readonly SnapshotHandle[];
  readonly operatorStates: readonly OperatorStateSnapshot[];
  /** `null` for a job that has only ever gone on from its own checkpoints. */
  readonly origin: ManifestOrigin | null;
  /** Names the savepoint; `null` for any other checkpoint. */
  readonly savepointId: string | null;
}

export function encodeManifest(manifest: CheckpointManifest): Uint8Array {
  const { operatorStates, ...rest } = manifest;
  const document = {
    format: FORMAT,
    version: MANIFEST_VERSION,
    ...rest,
    operatorStates: operatorStates.map(({ operatorId, subtask, lists }) => ({
      operatorId,
      subtask,
      lists: mapValues(lists, (items) => items.map((item) => Buffer.from(item).toString('base64'))),
    })),
  };
  return Buffer.from(JSON.stringify(document), 'utf8');
}

/**
 * @throws MillraceError `MILLRACE_STATE_CORRUPT` when the document is damaged, `MILLRACE_STATE_INCOMPATIBLE` when a newer
 *   release wrote it
 */
export function decodeManifest(bytes: Uint8Array, path: string): CheckpointManifest {
  const document = jsonReader(
    bytes,
    (place) =>
      new MillraceError('MILLRACE_STATE_CORRUPT', `the checkpoint manifest '${path}' has no valid ${place}`, {
        details: { path, place },
      }),
  );
  if (document.text('format') !== FORMAT) throw document.wrong('format');
  const version = document.count('version');
  if (version > MANIFEST_VERSION) {
    throw new MillraceError(
      'MILLRACE_STATE_INCOMPATIBLE',
      `the checkpoint manifest '${path}' has format version ${version}, this release reads up to ${MANIFEST_VERSION}`,
      { details: { path, version }, hint: 'Start the release that wrote it, or a newer one.' },
    );
  }
  return {
    checkpointId: document.count('checkpointId') as CheckpointId,
    jobName: document.text('jobName'),
    timestamp: document.count('timestamp'),
    keyGroupCount: document.count('keyGroupCount'),
    shardCount: document.count('shardCount'),
    sources: document.record('sources', (source) => ({
      topic: source.text('topic'),
      offsets: readOffsets(source, 'offsets'),
    })),
    outputs: document.record('outputs', (output) => output.counts()),
    operators: document.list('operators', readOperator),
    snapshots: document.list('snapshots', readSnapshot),
    operatorStates: document.list('operatorStates', readOperatorState),
    // Since version 2.
    origin: version < 2 ? null : document.objectOrNull('origin', readOrigin),
    savepointId: version < 2 ? null : document.textOrNull('savepointId'),
  };
}

function readOrigin(reader: JsonReader): ManifestOrigin {
  return { id: reader.text('id'), stateFolder: reader.text('stateFolder'), isFresh: reader.boolean('isFresh') };
}

function readOffsets(reader: JsonReader, name: string): PartitionOffsets {
  return reader.object(name).counts();
}

function readOperator(reader: JsonReader): ManifestOperator {
  return {
    id: reader.text('id'),
    parallelism: reader.count('parallelism'),
    stateNamespace: reader.textOrNull('stateNamespace'),
  };
}

function readSnapshot(reader: JsonReader): SnapshotHandle {
  return {
    namespace: reader.text('namespace'),
    backend: reader.oneOf('backend', ['heap', 'lmdb']),
    checkpointId: reader.count('checkpointId') as CheckpointId,
    shards: reader.countList('shards') as ShardId[],
    shardCount: reader.count('shardCount'),
    segments: reader.list('segments', readSegment),
    bases: reader.list('bases', readBase),
    bytes: reader.count('bytes'),
    rows: reader.count('rows'),
  };
}

function readBase(reader: JsonReader): BaseHandle {
  const writer = reader.textIfThere('writer');
  const lineage = reader.textIfThere('lineage');
  return {
    shard: reader.count('shard') as ShardId,
    checkpointId: reader.count('checkpointId'),
    ...(writer === undefined ? {} : { writer }),
    ...(lineage === undefined ? {} : { lineage }),
  };
}

function readSegment(reader: JsonReader): SegmentHandle {
  return {
    file: reader.text('file'),
    checkpointId: reader.count('checkpointId') as CheckpointId,
    kind: reader.oneOf('kind', ['full', 'delta']),
    bytes: reader.count('bytes'),
    rows: reader.count('rows'),
    sections: reader.list('sections', (section) => ({
      shard: section.count('shard') as ShardId,
      position: section.count('position'),
      frameCount: section.count('frameCount'),
      rows: section.count('rows'),
    })),
  };
}

function readOperatorState(reader: JsonReader): OperatorStateSnapshot {
  return {
    operatorId: reader.text('operatorId'),
    subtask: reader.count('subtask'),
    lists: reader.lists('lists', (item) => Buffer.from(item, 'base64')),
  };
}

function mapValues<In, Out>(record: Readonly<Record<string, In>>, map: (value: In) => Out): Record<string, Out> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}
