/**
 * One file of a topic's journal.
 *
 *     <topic>/000000000007.log    │ file header │ segment start │ frame │ frame │ … │ room allotted ahead (zeros)
 *                                                               ▲ dataStart         ▲ lengthBytes
 *
 * An *address* counts the bytes of frames over all segments that were there when the log was opened; it grows by exactly
 * what is appended, so that a cursor is one number.
 */
export class Segment {
  readonly number: number;
  readonly path: string;
  /** The address of the first frame. */
  readonly startAddress: number;
  /** Position of the first frame of records in the file. */
  readonly dataStart: number;
  /** First offset that may be in this segment, per topic partition. */
  readonly beginOffsets: readonly number[];
  /** Valid bytes, all durable. Final once the segment is sealed. */
  lengthBytes: number;
  maxTimestamp = Number.NEGATIVE_INFINITY;
  /** Set by retention: readers that come too late find no file. */
  isDropped = false;

  constructor(number: number, path: string, startAddress: number, dataStart: number, beginOffsets: readonly number[]) {
    this.number = number;
    this.path = path;
    this.startAddress = startAddress;
    this.dataStart = dataStart;
    this.beginOffsets = beginOffsets;
    this.lengthBytes = dataStart;
  }

  get endAddress(): number {
    return this.addressAt(this.lengthBytes);
  }

  get isEmpty(): boolean {
    return this.lengthBytes === this.dataStart;
  }

  addressAt(position: number): number {
    return this.startAddress + position - this.dataStart;
  }

  positionOf(address: number): number {
    return address - this.startAddress + this.dataStart;
  }
}

const NAME_DIGITS = 12;

export function segmentFileName(number: number): string {
  return `${String(number).padStart(NAME_DIGITS, '0')}.log`;
}

/** The number in a segment's file name, or -1 for another file. */
export function segmentNumberOf(fileName: string): number {
  return /^\d{12}\.log$/.test(fileName) ? Number(fileName.slice(0, NAME_DIGITS)) : -1;
}

const INDEX_INTERVAL_BYTES = 256 << 10;

/**
 * Sparse index of the active segment: every 256 KiB or so, an address and the offsets that the frame there begins with.
 * Kept in memory only. Older segments are read from their start: at most one segment's length, once per reader.
 */
export class SparseIndex {
  readonly #addresses: number[] = [];
  readonly #offsets: (readonly number[])[] = [];

  /** To be told of every frame, in order; `offsets` are those before the frame, per partition. Copied if kept. */
  add(address: number, offsets: readonly number[]): void {
    const last = this.#addresses.at(-1);
    if (last !== undefined && address - last < INDEX_INTERVAL_BYTES) return;
    this.#addresses.push(address);
    this.#offsets.push([...offsets]);
  }

  /** The last known address before which every one of these positions lies ahead; -1 when there is none. */
  find(positions: ReadonlyMap<number, number>): number {
    for (let index = this.#addresses.length - 1; index >= 0; index--) {
      const offsets = this.#offsets[index] ?? [];
      let isBefore = true;
      for (const [partition, position] of positions) if ((offsets[partition] ?? 0) > position) isBefore = false;
      if (isBefore) return this.#addresses[index] ?? -1;
    }
    return -1;
  }

  clear(): void {
    this.#addresses.length = 0;
    this.#offsets.length = 0;
  }
}
