import type { NumberRowSink } from './number-blocks.js';
import type { MemoryUsage, Seal } from './state-rows.js';

/**
 * Rows with a 32-bit integer as key and a number as value, in columns instead of objects: one cache line holds four rows, so
 * that a read, a write and the note of the change are one access to memory. For a counter over a million keys that is most of
 * the cost of a record.
 *
 * ```text
 * slot, 16 bytes   key i32 │ meta u32: epoch of the last change << 4, and the flags below │ value f64
 * ```
 *
 * Open addressing with linear probing. Four neighbouring keys share a line; lines are spread by multiplication
 * (Fibonacci hashing, Knuth, The Art of Computer Programming 3, 6.4), so runs of keys and strides both do well. A removed row
 * keeps its slot, marked absent, until the table is rebuilt.
 *
 * Changes are tracked as StateRows does with entries, and a barrier takes constant time as well: a seal is a scan that walks
 * the slots in slices; a slot that changes before the scan has come by is saved first. One scan at a time: the next barrier,
 * or a rebuild, finishes it.
 */

const USED = 1;
/** The row may be in a segment: removing it needs a tombstone. */
const STORED = 2;
const ABSENT = 4;
/** The row lies elsewhere now: nobody finds it here. */
const MOVED = 8;
const EPOCH_SHIFT = 4;

const SLOTS_LEAST = 64;
/** Slots per block; of each block the newest change is known, so that a scan passes over what has not changed. */
const BLOCK_SHIFT = 6;
const BLOCK_SLOTS = 1 << BLOCK_SHIFT;
/** What a row takes in memory at the usual load. */
const ROW_BYTES = 32;

interface Scan {
  readonly seal: Seal;
  readonly sink: NumberRowSink;
  /** Slots before it were looked at. */
  next: number;
}

export class NumberTable {
  readonly #usage: MemoryUsage;
  readonly #tracksChanges: boolean;
  #words: Int32Array;
  #values: Float64Array;
  #blockEpochs: Int32Array;
  #mask: number;
  #shift: number;
  /** Slots with a row, absent ones included. */
  #usedCount = 0;
  /** Rows that are there. */
  #liveCount = 0;
  /** Rows that were removed, and that a snapshot has to say so of. */
  #tombstoneCount = 0;
  #dirtyCount = 0;
  #scan: Scan | null = null;

  /** @param options.slotsLeast a power of two. @defaultValue 64 */
  constructor(options: { usage: MemoryUsage; tracksChanges: boolean; slotsLeast?: number }) {
    this.#usage = options.usage;
    this.#tracksChanges = options.tracksChanges;
    const slotCount = options.slotsLeast ?? SLOTS_LEAST;
    const memory = allocate(slotCount);
    this.#words = memory.words;
    this.#values = memory.values;
    this.#blockEpochs = memory.blockEpochs;
    this.#mask = slotCount - 1;
    this.#shift = shiftOf(slotCount);
  }

  /** Whether nobody would miss the table: it has no row, nothing that a snapshot owes, and none walks over it. */
  get isEmpty(): boolean {
    return this.#liveCount === 0 && this.#tombstoneCount === 0 && this.#scan === null;
  }

  /** The slot of a key; -1 when it has none. Valid until the next {@link insert}. */
  find(key: number): number {
    const words = this.#words;
    const mask = this.#mask;
    let slot = ((Math.imul(key >>> 2, 0x9e3779b1) >>> this.#shift) << 2) | (key & 3);
    for (;;) {
      const meta = words[slot * 4 + 1] as number;
      if (meta === 0) return -1;
      if (words[slot * 4] === key && (meta & MOVED) === 0) return slot;
      slot = (slot + 1) & mask;
    }
  }

  /** The value; `undefined` when the row was removed. */
  read(slot: number): number | undefined {
    if (((this.#words[slot * 4 + 1] as number) & ABSENT) !== 0) return undefined;
    const value = this.#values[slot * 2 + 1] as number;
    // An integer that stays one costs no allocation on its way to the caller. Minus zero is none, though it equals one.
    const integer = value | 0;
    return integer === value && integer !== 0 ? integer : value;
  }

  /** Sets the value of a slot that {@link find} gave. */
  write(slot: number, value: number, epoch: number): void {
    const meta = this.#words[slot * 4 + 1] as number;
    if (meta >>> EPOCH_SHIFT !== epoch || (meta & ABSENT) !== 0) this.#beforeWrite(slot, meta, epoch);
    this.#values[slot * 2 + 1] = value;
  }

  /** Adds a row whose key has no slot. @returns its slot */
  insert(key: number, value: number, epoch: number): number {
    const slot = this.#claim(key);
    this.#countRow();
    this.#values[slot * 2 + 1] = value;
    this.#stamp(slot, USED, epoch);
    return slot;
  }

  /** Sets a row as it is stored, or removes it as one that is not. */
  setStored(key: number, value: number | undefined): void {
    let slot = this.find(key);
    if (value === undefined) {
      if (slot >= 0 && this.read(slot) !== undefined) this.#uncountRow();
      if (slot >= 0) this.#words[slot * 4 + 1] = USED | ABSENT;
      return;
    }
    if (slot < 0) slot = this.#claim(key);
    if (((this.#words[slot * 4 + 1] as number) & (USED | ABSENT)) !== USED) this.#countRow();
    this.#values[slot * 2 + 1] = value;
    this.#words[slot * 4 + 1] = this.#tracksChanges ? USED | STORED : USED;
  }

  remove(slot: number, epoch: number): void {
    const meta = this.#words[slot * 4 + 1] as number;
    if ((meta & ABSENT) !== 0) return;
    if (this.#isSealed(slot, meta)) this.#saveSlot(slot);
    this.#uncountRow();
    const stored = (this.#words[slot * 4 + 1] as number) & STORED;
    if (stored !== 0) this.#tombstoneCount += 1;
    this.#stamp(slot, stored | USED | ABSENT, epoch);
  }

  /** Makes the row leave the table for another one. @returns whether it may be stored: the other one must say so too */
  moveOut(slot: number): boolean {
    const before = this.#words[slot * 4 + 1] as number;
    if (this.#isSealed(slot, before)) this.#saveSlot(slot);
    const isStored = ((this.#words[slot * 4 + 1] as number) & STORED) !== 0;
    if ((before & ABSENT) === 0) this.#uncountRow();
    else if (isStored) this.#tombstoneCount -= 1;
    // Absent and not stored: nothing to save, and gone with the next rebuild.
    this.#words[slot * 4 + 1] = USED | ABSENT | MOVED;
    return isStored;
  }

  /** Every row that is there. */
  *rows(): IterableIterator<readonly [key: number, value: number]> {
    for (let slot = 0; slot <= this.#mask; slot++) {
      const meta = this.#words[slot * 4 + 1] as number;
      if (meta === 0 || (meta & ABSENT) !== 0) continue;
      yield [this.#words[slot * 4] as number, this.#values[slot * 2 + 1] as number];
    }
  }

  /** Begins to save the rows of a seal's epoch. Constant time, unless an earlier seal is not done yet. @returns whether there are any */
  seal(seal: Seal, sink: NumberRowSink): boolean {
    this.#finishScan();
    const hasAny = seal.kind === 'full' ? this.#usedCount > 0 : this.#dirtyCount > 0;
    this.#usage.dirtyBytes -= this.#dirtyCount * ROW_BYTES;
    this.#dirtyCount = 0;
    if (hasAny) this.#scan = { seal, sink, next: 0 };
    return hasAny;
  }

  /** Saves some of a seal's rows. @returns whether more are waiting */
  saveSome(seal: Seal, rowsMax: number): boolean {
    const scan = this.#scan;
    if (scan?.seal !== seal) return false;
    let savedCount = 0;
    // Looking is much cheaper than saving.
    const end = Math.min(this.#mask + 1, scan.next + rowsMax * 16);
    while (scan.next < end && savedCount < rowsMax) {
      const slot = scan.next;
      if ((slot & (BLOCK_SLOTS - 1)) === 0 && this.#isBlockUnchanged(slot, seal)) {
        scan.next += BLOCK_SLOTS;
        continue;
      }
      if (this.#isSealed(slot, this.#words[slot * 4 + 1] as number)) {
        this.#saveSlot(slot);
        savedCount++;
      }
      scan.next = slot + 1;
    }
    if (scan.next <= this.#mask) return true;
    this.#scan = null;
    return false;
  }

  #isBlockUnchanged(slot: number, { kind, epoch }: Seal): boolean {
    return kind === 'delta' && (this.#blockEpochs[slot >>> BLOCK_SHIFT] as number) < epoch;
  }

  /** Whether the scan still needs a slot as it is now. */
  #isSealed(slot: number, meta: number): boolean {
    const scan = this.#scan;
    if (scan === null || slot < scan.next || meta === 0) return false;
    const changed = meta >>> EPOCH_SHIFT;
    return scan.seal.kind === 'full' ? changed <= scan.seal.epoch : changed === scan.seal.epoch;
  }

  #saveSlot(slot: number): void {
    const { sink } = this.#scan as Scan;
    const words = this.#words;
    const meta = words[slot * 4 + 1] as number;
    const key = words[slot * 4] as number;
    if ((meta & ABSENT) === 0) {
      sink.append(key, this.#values, slot * 2 + 1);
      words[slot * 4 + 1] = meta | STORED;
    } else if ((meta & STORED) !== 0) {
      sink.appendRemoved(key);
      // Nothing lies beneath the memory: a stored tombstone has nothing left to hide.
      words[slot * 4 + 1] = meta & ~STORED;
      this.#tombstoneCount -= 1;
    }
  }

  #beforeWrite(slot: number, meta: number, epoch: number): void {
    if (this.#isSealed(slot, meta)) this.#saveSlot(slot);
    const stored = (this.#words[slot * 4 + 1] as number) & STORED;
    if ((meta & ABSENT) !== 0) {
      this.#countRow();
      if (stored !== 0) this.#tombstoneCount -= 1;
    }
    this.#stamp(slot, stored | USED, epoch);
  }

  #countRow(): void {
    this.#liveCount += 1;
    this.#usage.entries += 1;
    this.#usage.bytes += ROW_BYTES;
  }

  #uncountRow(): void {
    this.#liveCount -= 1;
    this.#usage.entries -= 1;
    this.#usage.bytes -= ROW_BYTES;
  }

  /** Notes a change in this epoch. */
  #stamp(slot: number, flags: number, epoch: number): void {
    const before = this.#words[slot * 4 + 1] as number;
    this.#words[slot * 4 + 1] = (epoch << EPOCH_SHIFT) | flags;
    if (!this.#tracksChanges || before >>> EPOCH_SHIFT === epoch) return;
    this.#blockEpochs[slot >>> BLOCK_SHIFT] = epoch;
    this.#dirtyCount += 1;
    this.#usage.dirtyBytes += ROW_BYTES;
  }

  /** A slot for a key that has none; its meta is to be set next. */
  #claim(key: number): number {
    // At most five eighths full: probes stay short.
    if ((this.#usedCount + 1) * 8 > (this.#mask + 1) * 5) this.#rebuild();
    const slot = freeSlot(this.#words, this.#mask, this.#shift, key);
    this.#words[slot * 4] = key;
    this.#usedCount += 1;
    return slot;
  }

  /** Moves what is left of the rows to a table that suits their number. */
  #rebuild(): void {
    this.#finishScan();
    const words = this.#words;
    const values = this.#values;
    const slotCount = this.#mask + 1;
    let keptCount = 0;
    for (let slot = 0; slot < slotCount; slot++) if (isKept(words[slot * 4 + 1] as number)) keptCount += 1;
    const room = keptCount * 8 > slotCount * 3 ? slotCount * 2 : slotCount;
    const memory = allocate(room);
    this.#words = memory.words;
    this.#values = memory.values;
    this.#blockEpochs = memory.blockEpochs;
    this.#mask = room - 1;
    this.#shift = shiftOf(room);
    this.#usedCount = keptCount;
    for (let from = 0; from < slotCount; from++) {
      const meta = words[from * 4 + 1] as number;
      if (!isKept(meta)) continue;
      const key = words[from * 4] as number;
      const to = freeSlot(this.#words, this.#mask, this.#shift, key);
      this.#words[to * 4] = key;
      this.#words[to * 4 + 1] = meta;
      this.#values[to * 2 + 1] = values[from * 2 + 1] as number;
      const block = to >>> BLOCK_SHIFT;
      this.#blockEpochs[block] = Math.max(this.#blockEpochs[block] as number, meta >>> EPOCH_SHIFT);
    }
  }

  #finishScan(): void {
    while (this.#scan !== null) this.saveSome(this.#scan.seal, Infinity);
  }
}

/** Whether a slot outlives a rebuild: a row, or a tombstone that has to be saved. */
function isKept(meta: number): boolean {
  return meta !== 0 && (meta & (ABSENT | STORED)) !== ABSENT;
}

function freeSlot(words: Int32Array, mask: number, shift: number, key: number): number {
  let slot = ((Math.imul(key >>> 2, 0x9e3779b1) >>> shift) << 2) | (key & 3);
  while (words[slot * 4 + 1] !== 0) slot = (slot + 1) & mask;
  return slot;
}

function allocate(slotCount: number): { words: Int32Array; values: Float64Array; blockEpochs: Int32Array } {
  const memory = new ArrayBuffer(slotCount * 16);
  return {
    words: new Int32Array(memory),
    values: new Float64Array(memory),
    blockEpochs: new Int32Array(Math.ceil(slotCount / BLOCK_SLOTS)),
  };
}

/** So that the upper bits of a product number the lines, of four slots each. */
function shiftOf(slotCount: number): number {
  return 32 - (Math.log2(slotCount) - 2);
}
