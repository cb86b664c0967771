import { join } from 'node:path';
import { KEY_GROUP_COUNT } from '../api/internal/key-groups.js';
import { MillraceError } from '../base/errors.js';
import type { CheckpointId, ShardId } from '../base/ids.js';
import type { SectionHandle, SegmentHandle } from '../protocol/snapshot-handle.js';
import { systemCode } from '../storage/disk.js';
import { fileKinds } from '../storage/frame-codec.js';
import { FramedFileReader, FramedFileWriter } from '../storage/framed-file.js';
import { nextTurnOfEventLoop } from './event-loop.js';
import { isNumberFrame } from './number-blocks.js';
import type { SnapshotSection } from './section.js';
import type { DictionaryEntry } from './state-dictionary.js';

/**
 * Segment files: the changed rows of one store and checkpoint, or all of its rows. One file for all shards of a store, so
 * that a checkpoint costs a worker one `fdatasync` (docs/decisions/0031-one-segment-per-store.md).
 *
 * ```text
 * frame    JSON: format, checkpoint, kind, and by shard: number of frames and rows, dictionary
 * frames   of the first shard: whole rows, sorted (section.ts); then numbers, in no order (number-blocks.ts)
 * frames   of the next shard …
 * ```
 *
 * A file is whole once its writing has resolved, and is never changed. I/O is asynchronous; any thread.
 */

const FORMAT = 'millrace-segment';
const FORMAT_VERSION = 2;
/** Frames are appended in turns of this much, so that a large segment does not hold up the thread for its checksums. */
const BYTES_PER_TURN = 1 << 20;

export interface SegmentContent {
  readonly file: string;
  readonly namespace: string;
  readonly checkpointId: CheckpointId;
  readonly kind: 'full' | 'delta';
  readonly shardCount: number;
  readonly sections: readonly SnapshotSection[];
}

interface SegmentHeader {
  readonly format: string;
  readonly version: number;
  readonly namespace: string;
  readonly checkpointId: number;
  readonly kind: string;
  readonly shardCount: number;
  readonly keyGroupCount: number;
  readonly sections: readonly SectionHeader[];
}

interface SectionHeader {
  readonly shard: number;
  readonly frameCount: number;
  /** How many of the frames, the last ones, hold numbers. Since version 2. */
  readonly numberFrameCount?: number;
  readonly rows: number;
  readonly dictionary: readonly DictionaryEntry[];
}

/** Writes a segment. Resolves when it is durable. An existing file of this name is replaced. */
export async function writeSegment(segmentDir: string, content: SegmentContent): Promise<SegmentHandle> {
  const writer = await FramedFileWriter.create(join(segmentDir, content.file), { kind: fileKinds.deltaSegment });
  try {
    writer.append(Buffer.from(JSON.stringify(headerOf(content)), 'utf8'));
    const sections: SectionHandle[] = [];
    let bytesOfTurn = 0;
    for (const section of content.sections) {
      const frames = [...section.rowFrames, ...section.numberFrames];
      sections.push({ shard: section.shard, position: writer.position, frameCount: frames.length, rows: section.rows });
      for (const frame of frames) {
        writer.append(frame);
        bytesOfTurn += frame.length;
        if (bytesOfTurn < BYTES_PER_TURN) continue;
        bytesOfTurn = 0;
        await nextTurnOfEventLoop();
      }
    }
    await writer.sync();
    const { file, checkpointId, kind } = content;
    const rows = sections.reduce((sum, section) => sum + section.rows, 0);
    return { file, checkpointId, kind, bytes: writer.position, rows, sections };
  } finally {
    await writer.close();
  }
}

function headerOf({ namespace, checkpointId, kind, shardCount, sections }: SegmentContent): SegmentHeader {
  return {
    format: FORMAT,
    version: FORMAT_VERSION,
    namespace,
    checkpointId,
    kind,
    shardCount,
    keyGroupCount: KEY_GROUP_COUNT,
    sections: sections.map(({ shard, rowFrames, numberFrames, rows, dictionary }) => ({
      shard,
      frameCount: rowFrames.length + numberFrames.length,
      numberFrameCount: numberFrames.length,
      rows,
      dictionary,
    })),
  };
}

/**
 * Reads the sections of some shards as they were written.
 *
 * @throws MillraceError `MILLRACE_STATE_CORRUPT` naming file and position when the file is damaged, or is not there
 */
export async function readSnapshotSections(
  segmentDir: string,
  segment: SegmentHandle,
  wanted: ReadonlySet<ShardId>,
): Promise<SnapshotSection[]> {
  const handles = segment.sections.filter(({ shard }) => wanted.has(shard));
  if (handles.length === 0) return [];
  const path = join(segmentDir, segment.file);
  const reader = await openSegment(path, segment);
  try {
    const header = await readHeader(reader, segment);
    const sections: SnapshotSection[] = [];
    for (const handle of handles) {
      const known = header.sections.find(({ shard }) => shard === handle.shard);
      if (known?.frameCount !== handle.frameCount || known.rows !== handle.rows) {
        throw corrupt(path, 'its header does not agree with the checkpoint that names it');
      }
      const frames = await readFrames(reader, handle);
      sections.push(toSection(path, frames, known));
    }
    return sections;
  } finally {
    await reader.close();
  }
}

function toSection(path: string, frames: readonly Buffer[], header: SectionHeader): SnapshotSection {
  const { dictionary, rows, numberFrameCount = 0 } = header;
  const numbersFrom = frames.length - numberFrameCount;
  const numberFrames = frames.slice(numbersFrom);
  for (const frame of numberFrames) {
    if (!isNumberFrame(frame))
      throw corrupt(path, `what it holds of shard ${header.shard} as numbers is something else`);
  }
  return { shard: header.shard as ShardId, dictionary, rowFrames: frames.slice(0, numbersFrom), numberFrames, rows };
}

async function openSegment(path: string, segment: SegmentHandle): Promise<FramedFileReader> {
  try {
    return await FramedFileReader.open(path, { kind: fileKinds.deltaSegment, corruptCode: 'MILLRACE_STATE_CORRUPT' });
  } catch (error) {
    if (!(error instanceof Error) || systemCode(error.cause) !== 'ENOENT') throw error;
    throw corrupt(path, `it does not exist, and checkpoint ${segment.checkpointId} is lost without it`);
  }
}

async function readHeader(reader: FramedFileReader, segment: SegmentHandle): Promise<SegmentHeader> {
  const first = await reader.readFirst();
  if (first === null) throw corrupt(reader.path, 'it has no content');
  const header = JSON.parse(first.payload.toString('utf8')) as SegmentHeader;
  if (header.format !== FORMAT || header.checkpointId !== segment.checkpointId) {
    throw corrupt(reader.path, 'it is not the segment that the checkpoint names');
  }
  if (header.version <= FORMAT_VERSION) return header;
  throw new MillraceError(
    'MILLRACE_STATE_INCOMPATIBLE',
    `the segment '${reader.path}' has format version ${header.version}, this release reads up to ${FORMAT_VERSION}`,
    {
      details: { path: reader.path, version: header.version },
      hint: 'Start the release that wrote it, or a newer one.',
    },
  );
}

async function readFrames(reader: FramedFileReader, { position, frameCount }: SectionHandle): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  let at = position;
  while (frames.length < frameCount) {
    if (at >= reader.sizeBytes)
      throw corrupt(reader.path, `it ends at position ${reader.sizeBytes}, before its rows do`);
    const block = await reader.readBlock(at, reader.sizeBytes);
    for (let index = 0; index < block.positions.length && frames.length < frameCount; index++) {
      const start = block.payloadStarts[index] as number;
      frames.push(block.buffer.subarray(start, start + (block.payloadLengths[index] as number)));
    }
    at = block.nextPosition;
  }
  return frames;
}

function corrupt(path: string, reason: string): MillraceError {
  return new MillraceError('MILLRACE_STATE_CORRUPT', `the segment '${path}' cannot be read: ${reason}`, {
    details: { path },
    hint: 'Stop, keep a copy of the data folder, look at the disk, and restore the state from a copy.',
  });
}
