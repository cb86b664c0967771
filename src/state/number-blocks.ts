import { keyGroupOfInt32, shardOfKeyGroup } from '../api/internal/key-groups.js';
import { VOID_NAMESPACE, type Namespace } from '../api/internal/state-backend.js';
import type { ShardId } from '../base/ids.js';

/**
 * Numbers under integer keys in a snapshot, much as they lie in memory: neither sorted nor serialised, so that a checkpoint costs
 * the thread that processes records little more than a copy. Who reads them makes rows of them (section-reader.ts, section-merge.ts).
 * A key of a state and namespace is in a snapshot once.
 *
 * ```text
 * frame   block │ block │ …
 * block   state id u16 │ schema version u16 │ flags u32 │ row count u32 │ namespace f64 │ rows        (little-endian)
 *         flags   1: these rows were removed    2: they have a namespace, which is a number
 * row     key i32 │ value f64; where rows were removed the key alone
 * ```
 *
 * A block ends where rows of another state or window follow. Checksums are those of the file's frames.
 */

const HEADER_BYTES = 20;
const ROW_BYTES = 12;
const REMOVED_ROW_BYTES = 4;
const REMOVED = 1;
const HAS_NAMESPACE = 2;
/** Frames double up to this: few rows take little room, and none is copied to make room for others. */
const FRAME_BYTES_LEAST = 4 * 1024;
const FRAME_BYTES_MOST = 256 * 1024;

/** Takes the rows of one state and namespace for a snapshot. */
export interface NumberRowSink {
  /** The row of a key whose value is `values[index]`: handed over by itself, a number might be allocated. */
  append(key: number, values: Float64Array, index: number): void;
  /** The row of a key was removed. */
  appendRemoved(key: number): void;
}

/** Puts them into the blocks of their shards. */
export class NumberSink implements NumberRowSink {
  readonly namespace: Namespace;
  readonly version: number;
  /** By shard. */
  readonly stateIds: readonly (number | undefined)[];
  readonly #blocks: (ShardBlocks | undefined)[];

  constructor(
    blocks: (ShardBlocks | undefined)[],
    options: {
      readonly namespace: Namespace;
      readonly version: number;
      readonly stateIds: readonly (number | undefined)[];
    },
  ) {
    this.#blocks = blocks;
    this.namespace = options.namespace;
    this.version = options.version;
    this.stateIds = options.stateIds;
  }

  append(key: number, values: Float64Array, index: number): void {
    this.#blocksOf(key).append(this, key, values, index);
  }

  appendRemoved(key: number): void {
    this.#blocksOf(key).appendRemoved(this, key);
  }

  #blocksOf(key: number): ShardBlocks {
    const shard = shardOfKeyGroup(keyGroupOfInt32(key), this.stateIds.length);
    return this.#blocks[shard] ?? (this.#blocks[shard] = new ShardBlocks(shard));
  }
}

/** The blocks of one shard, in the making. */
export class ShardBlocks {
  rowCount = 0;
  readonly #shard: ShardId;
  readonly #frames: Buffer[] = [];
  #bytes: Buffer;
  #view: DataView;
  #length = 0;
  /** Whose rows the open block holds; `null` when none is open. */
  #sink: NumberSink | null = null;
  #isRemoval = false;
  #blockStart = 0;

  constructor(shard: ShardId) {
    this.#shard = shard;
    this.#bytes = Buffer.allocUnsafeSlow(FRAME_BYTES_LEAST);
    this.#view = new DataView(this.#bytes.buffer);
  }

  append(sink: NumberSink, key: number, values: Float64Array, index: number): void {
    const isElsewhere = sink !== this.#sink || this.#isRemoval;
    if (isElsewhere || this.#length + ROW_BYTES > this.#bytes.length) this.#startBlock(sink, false);
    const at = this.#length;
    this.#view.setInt32(at, key, true);
    this.#view.setFloat64(at + 4, values[index] as number, true);
    this.#length = at + ROW_BYTES;
    this.rowCount += 1;
  }

  appendRemoved(sink: NumberSink, key: number): void {
    const isElsewhere = sink !== this.#sink || !this.#isRemoval;
    if (isElsewhere || this.#length + REMOVED_ROW_BYTES > this.#bytes.length) this.#startBlock(sink, true);
    this.#view.setInt32(this.#length, key, true);
    this.#length += REMOVED_ROW_BYTES;
    this.rowCount += 1;
  }

  /** The frames. Nothing is appended any more. */
  finish(): readonly Buffer[] {
    this.#endBlock();
    if (this.#length > 0) this.#frames.push(this.#bytes.subarray(0, this.#length));
    return this.#frames;
  }

  #startBlock(sink: NumberSink, isRemoval: boolean): void {
    this.#endBlock();
    if (this.#length + HEADER_BYTES + ROW_BYTES > this.#bytes.length) {
      this.#frames.push(this.#bytes.subarray(0, this.#length));
      this.#bytes = Buffer.allocUnsafeSlow(Math.min(2 * this.#bytes.length, FRAME_BYTES_MOST));
      this.#view = new DataView(this.#bytes.buffer);
      this.#length = 0;
    }
    this.#sink = sink;
    this.#isRemoval = isRemoval;
    this.#blockStart = this.#length;
    this.#length += HEADER_BYTES;
  }

  #endBlock(): void {
    const sink = this.#sink;
    if (sink === null) return;
    const { version, namespace } = sink;
    const at = this.#blockStart;
    const hasNamespace = namespace !== VOID_NAMESPACE;
    const rowBytes = this.#isRemoval ? REMOVED_ROW_BYTES : ROW_BYTES;
    this.#view.setUint16(at, sink.stateIds[this.#shard] as number, true);
    this.#view.setUint16(at + 2, version, true);
    this.#view.setUint32(at + 4, (this.#isRemoval ? REMOVED : 0) | (hasNamespace ? HAS_NAMESPACE : 0), true);
    this.#view.setUint32(at + 8, (this.#length - at - HEADER_BYTES) / rowBytes, true);
    this.#view.setFloat64(at + 12, hasNamespace ? (namespace as number) : 0, true);
    this.#sink = null;
  }
}

/** What all rows of a block have in common. */
export interface NumberBlock {
  readonly stateId: number;
  readonly version: number;
  readonly namespace: Namespace;
  readonly isRemoval: boolean;
  /** Where its rows lie in the frame. */
  readonly rowsAt: number;
  readonly end: number;
}

/** Whether a frame holds whole blocks and nothing else. */
export function isNumberFrame(frame: Buffer): boolean {
  let end = 0;
  for (const block of blocksOf(frame)) ({ end } = block);
  return end === frame.length;
}

/** The blocks of a frame, as far as they lie within it. */
export function* blocksOf(frame: Buffer): IterableIterator<NumberBlock> {
  for (let at = 0; at + HEADER_BYTES <= frame.length;) {
    const flags = frame.readUInt32LE(at + 4);
    const isRemoval = (flags & REMOVED) !== 0;
    const rowsAt = at + HEADER_BYTES;
    const end = rowsAt + frame.readUInt32LE(at + 8) * (isRemoval ? REMOVED_ROW_BYTES : ROW_BYTES);
    if (flags > (REMOVED | HAS_NAMESPACE) || end > frame.length) return;
    const namespace = (flags & HAS_NAMESPACE) === 0 ? VOID_NAMESPACE : frame.readDoubleLE(at + 12);
    const [stateId, version] = [frame.readUInt16LE(at), frame.readUInt16LE(at + 2)];
    yield { stateId, version, namespace, isRemoval, rowsAt, end };
    at = end;
  }
}

/** A block in parts of at most so many rows. */
export function* piecesOf(block: NumberBlock, rowsMax: number): IterableIterator<NumberBlock> {
  const step = rowsMax * rowBytesOf(block);
  for (let at = block.rowsAt; at < block.end; at += step) {
    yield { ...block, rowsAt: at, end: Math.min(at + step, block.end) };
  }
}

/**
 * Visits the rows of a block; `undefined` stands for the value of one that was removed.
 *
 * @param met keys that are passed over, and that those which are not are added to
 */
export function forEachNumber(
  frame: Buffer,
  block: NumberBlock,
  visit: (key: number, value: number | undefined) => void,
  met: KeySet | null = null,
): void {
  const { isRemoval, rowsAt, end } = block;
  const rowBytes = rowBytesOf(block);
  for (let at = rowsAt; at < end; at += rowBytes) {
    const key = int32At(frame, at);
    if (met !== null && !met.add(key)) continue;
    visit(key, isRemoval ? undefined : frame.readDoubleLE(at + 4));
  }
}

export interface KeySet {
  /** @returns whether the key was not there before */
  add(key: number): boolean;
}

/** Byte by byte: methods of Buffer check their arguments, which costs more than the reading here. */
function int32At(bytes: Buffer, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return low | ((bytes[at + 3] as number) << 24);
}

export function rowCountOf(block: NumberBlock): number {
  return (block.end - block.rowsAt) / rowBytesOf(block);
}

function rowBytesOf({ isRemoval }: Pick<NumberBlock, 'isRemoval'>): number {
  return isRemoval ? REMOVED_ROW_BYTES : ROW_BYTES;
}
