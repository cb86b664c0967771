import { join } from 'node:path';
import type { Logger } from '../../base/log.js';
import { listDirectory, storageError } from '../../storage/disk.js';
import { FILE_HEADER_BYTES, fileKinds } from '../../storage/frame-codec.js';
import { corruptError, FramedFileReader, type ScanResult } from '../../storage/framed-file.js';
import { type JournalDisk, type JournalFile, writeDurably } from '../../storage/journal-file.js';
import {
  decodeSegmentStart,
  PAYLOAD_PREFIX_BYTES,
  PAYLOAD_RECORDS,
  recordOffsetAt,
  recordPartitionAt,
  recordSizeAt,
  recordTimestampAt,
  type SegmentStart,
} from './record-codec.js';
import { Segment, segmentFileName, segmentNumberOf, SparseIndex } from './segment.js';
import { createSegment } from './segment-writer.js';
import type { JournalState } from './topic-journal.js';

/**
 * Opens a topic's journal as a crash may have left it. Main thread, once per topic at start.
 *
 * Every segment but the last is sealed by the first frame of the one after it: its length, its end offsets and its latest
 * timestamp stand there, so it is not read. Only the last one is scanned, which bounds the time to open by one segment.
 * A torn tail is cut off, and the last write that is kept is written again before it counts as durable: it may have been in the
 * page cache only, and a sync would not say so of pages that an earlier one has failed to write.
 */
export async function recoverJournal(spec: RecoverySpec): Promise<JournalState> {
  const found = await findSegments(spec);
  if (found.length === 0) return newJournal(spec);
  const segments = linkSegments(spec, found);
  const active = segments.at(-1);
  if (active === undefined) return newJournal(spec);
  const scan = await scanActive(spec, active);
  const activeFile = await openActive(spec, active, scan);
  return { segments, activeFile, endOffsets: scan.endOffsets, index: scan.index };
}

export interface RecoverySpec {
  readonly topic: string;
  readonly directory: string;
  readonly partitionCount: number;
  readonly disk: JournalDisk;
  readonly logger: Logger;
}

interface FoundSegment {
  readonly path: string;
  readonly start: SegmentStart;
  readonly dataStart: number;
  readonly sizeBytes: number;
}

async function newJournal(spec: RecoverySpec): Promise<JournalState> {
  const { segment, file } = await createSegment({
    directory: spec.directory,
    disk: spec.disk,
    number: 1,
    startAddress: 0,
    beginOffsets: new Array<number>(spec.partitionCount).fill(0),
    previousBytes: 0,
    previousMaxTimestamp: Number.NEGATIVE_INFINITY,
  });
  return { segments: [segment], activeFile: file, endOffsets: segment.beginOffsets, index: new SparseIndex() };
}

/** The segments on disk, oldest first, without one whose creation a crash cut short. */
async function findSegments(spec: RecoverySpec): Promise<FoundSegment[]> {
  const numbers = (await listDirectory(spec.directory))
    .map((name) => segmentNumberOf(name))
    .filter((number) => number > 0);
  const found: FoundSegment[] = [];
  for (const [index, number] of numbers.entries()) {
    const path = join(spec.directory, segmentFileName(number));
    const segment = await readStart(spec, path, number);
    if (segment !== null) {
      found.push(segment);
    } else if (index === numbers.length - 1) {
      spec.logger.warn({ path }, 'unfinished log segment removed');
      await spec.disk.remove(path).catch((error: unknown) => {
        throw storageError(error, 'remove an unfinished log segment', path);
      });
    } else {
      throw corruptError('MILLRACE_LOG_CORRUPT', path, 0, 'the segment has no start, and is not the last one');
    }
  }
  return found;
}

/** @returns `null` when nothing can have been written to this segment yet */
async function readStart(spec: RecoverySpec, path: string, number: number): Promise<FoundSegment | null> {
  if (await FramedFileReader.isUnfinished(path)) return null;
  const reader = await FramedFileReader.open(path, { kind: fileKinds.logSegment });
  try {
    const first = await reader.readFirst();
    if (first === null) return null;
    const start = decodeSegmentStart(first.payload);
    if (start === null || start.segment !== number) {
      throw corruptError(
        'MILLRACE_LOG_CORRUPT',
        path,
        FILE_HEADER_BYTES,
        'the first frame is not the start of this segment',
      );
    }
    if (start.beginOffsets.length !== spec.partitionCount) {
      const reason = `the segment is of a topic with ${start.beginOffsets.length} partitions, not ${spec.partitionCount}`;
      throw corruptError('MILLRACE_LOG_CORRUPT', path, FILE_HEADER_BYTES, reason);
    }
    return { path, start, dataStart: first.nextPosition, sizeBytes: reader.sizeBytes };
  } finally {
    await reader.close();
  }
}

/** Checks that each segment follows the one before it, and takes its length from the one after it. */
function linkSegments(spec: RecoverySpec, found: readonly FoundSegment[]): Segment[] {
  const segments: Segment[] = [];
  let address = 0;
  for (const [index, { path, start, dataStart, sizeBytes }] of found.entries()) {
    const segment = new Segment(start.segment, path, address, dataStart, start.beginOffsets);
    const successor = found[index + 1];
    if (successor !== undefined) {
      seal(segment, successor, sizeBytes, spec);
      address = segment.endAddress;
    }
    segments.push(segment);
  }
  return segments;
}

function seal(segment: Segment, successor: FoundSegment, sizeBytes: number, spec: RecoverySpec): void {
  const { start } = successor;
  if (start.segment !== segment.number + 1) {
    const missing = join(spec.directory, segmentFileName(segment.number + 1));
    throw corruptError('MILLRACE_LOG_CORRUPT', missing, 0, 'the segment is missing, later ones are there');
  }
  if (sizeBytes < start.previousBytes) {
    const reason = `the file ends here, although ${start.previousBytes} bytes of it were durable`;
    throw corruptError('MILLRACE_LOG_CORRUPT', segment.path, sizeBytes, reason);
  }
  for (const [partition, begin] of start.beginOffsets.entries()) {
    if (begin < (segment.beginOffsets[partition] ?? 0)) {
      const reason = `partition ${partition} begins before the segment that precedes this one`;
      throw corruptError('MILLRACE_LOG_CORRUPT', successor.path, FILE_HEADER_BYTES, reason);
    }
  }
  segment.lengthBytes = start.previousBytes;
  segment.maxTimestamp = start.previousMaxTimestamp;
}

interface ActiveScan {
  readonly result: ScanResult;
  /** The bytes of the last write. */
  readonly lastWrite: Buffer;
  readonly salt: number;
  readonly endOffsets: readonly number[];
  readonly index: SparseIndex;
}

/** Reads the last segment to its end, checking that offsets are dense. */
async function scanActive(spec: RecoverySpec, active: Segment): Promise<ActiveScan> {
  const reader = await FramedFileReader.open(active.path, { kind: fileKinds.logSegment });
  try {
    const endOffsets = [...active.beginOffsets];
    const index = new SparseIndex();
    const result = await reader.scan((payload, position) => {
      index.add(active.addressAt(position), endOffsets);
      const latest = countRecords(payload, endOffsets, active.path, position);
      if (latest > active.maxTimestamp) active.maxTimestamp = latest;
    }, active.dataStart);
    active.lengthBytes = result.endPosition;
    if (result.isTorn) {
      const { topic } = spec;
      spec.logger.warn({ topic, path: active.path, position: result.endPosition }, 'torn tail of the log cut off');
    }
    const lastWrite = await reader.readBytes(result.lastWritePosition, result.endPosition);
    return { result, lastWrite, salt: reader.salt, endOffsets, index };
  } finally {
    await reader.close();
  }
}

/** Moves `endOffsets` past the records of one frame. @returns the latest timestamp */
function countRecords(payload: Buffer, endOffsets: number[], path: string, position: number): number {
  if (payload[0] !== PAYLOAD_RECORDS) {
    throw corruptError('MILLRACE_LOG_CORRUPT', path, position, 'the frame holds no records');
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  let latest = Number.NEGATIVE_INFINITY;
  let at = PAYLOAD_PREFIX_BYTES;
  while (at < payload.length) {
    const partition = recordPartitionAt(view, at);
    const offset = recordOffsetAt(view, at);
    if (endOffsets[partition] !== offset) {
      const reason = `offset ${offset} of partition ${partition} follows ${String(endOffsets[partition])}`;
      throw corruptError('MILLRACE_LOG_CORRUPT', path, position, reason);
    }
    endOffsets[partition] = offset + 1;
    latest = Math.max(latest, recordTimestampAt(view, at));
    at += recordSizeAt(view, at);
  }
  return latest;
}

async function openActive(spec: RecoverySpec, active: Segment, scan: ActiveScan): Promise<JournalFile> {
  const { disk, directory } = spec;
  try {
    const file = await disk.open(active.path, scan.salt);
    if (scan.result.isTorn) await file.truncate(active.lengthBytes);
    await writeDurably(file, scan.lastWrite, scan.result.lastWritePosition);
    await disk.syncDirectory(directory);
    return file;
  } catch (error) {
    throw storageError(error, 'open the log segment', active.path);
  }
}
