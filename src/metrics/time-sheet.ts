/**
 * Time spent per state, written by one thread and read by any, also while the writer is parked or stuck in user code: the
 * reader adds the time of the stay that is going on.
 *
 * A sheet is several numbers that belong together: between two of its stores a reader could count a stay twice. So the
 * writer makes `sequence` odd, changes the sheet, and makes it even; the reader reads again when it saw an odd value, or a
 * different one after than before (a sequence lock).
 *
 * Ordering. All words of a sheet are read and written with `Atomics`, a double as two Int32 halves: plain accesses could move
 * past the sequence on processors that reorder, and `Atomics` takes no floating-point arrays.
 */
import { timeSheetBytes } from './counter-layout.js';

interface SheetLocation {
  readonly memory: SharedArrayBuffer;
  readonly byteOffset: number;
}

const SEQUENCE = 0;
const STATE = 1;
const SINCE = 2;
const FIRST_SPENT = 4;

/** A writer's change takes well under a microsecond; one that takes longer than so many looks was stopped in its midst. */
const READ_ATTEMPTS_MAX = 1000;

/** Thread: the one whose time it is. */
export class TimeSheetWriter {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #double = new Float64Array(1);
  readonly #halves = new Int32Array(this.#double.buffer);
  /** The writer's own copy: it never reads the shared one. */
  readonly #spentMs: Float64Array;
  #sequence: number;
  #state = 0;
  #since = 0;

  constructor(location: SheetLocation, stateCount: number) {
    this.#words = new Int32Array(location.memory, location.byteOffset, timeSheetBytes(stateCount) >>> 2);
    this.#spentMs = new Float64Array(stateCount);
    this.#sequence = 0;
  }

  get state(): number {
    return this.#state;
  }

  /**
   * Ends the stay in the current state and begins one in `state`; nothing happens when that is the current one.
   *
   * @param nowMs milliseconds since the epoch by a clock that never goes back. A step back counts as no time.
   */
  enter(state: number, nowMs: number): void {
    if (state === this.#state) return;
    const words = this.#words;
    const ended = this.#state;
    Atomics.store(words, SEQUENCE, (this.#sequence + 1) | 0);
    if (ended !== 0) {
      const spentMs = (this.#spentMs[ended] as number) + Math.max(0, nowMs - this.#since);
      this.#spentMs[ended] = spentMs;
      this.#storeDouble(FIRST_SPENT + (ended - 1) * 2, spentMs);
    }
    this.#storeDouble(SINCE, nowMs);
    Atomics.store(words, STATE, state);
    this.#sequence = (this.#sequence + 2) | 0;
    Atomics.store(words, SEQUENCE, this.#sequence);
    this.#state = state;
    this.#since = nowMs;
  }

  #storeDouble(word: number, value: number): void {
    this.#double[0] = value;
    Atomics.store(this.#words, word, this.#halves[0] as number);
    Atomics.store(this.#words, word + 1, this.#halves[1] as number);
  }
}

/** Thread: any. */
export class TimeSheetReader {
  readonly #words: Int32Array<SharedArrayBuffer>;
  /** What is being read; becomes the copy when it turns out to be of one moment. */
  readonly #draft: Int32Array<ArrayBuffer>;
  readonly #copy: Int32Array<ArrayBuffer>;
  readonly #doubles: Float64Array<ArrayBuffer>;
  readonly #stateCount: number;

  constructor(location: SheetLocation, stateCount: number) {
    this.#words = new Int32Array(location.memory, location.byteOffset, timeSheetBytes(stateCount) >>> 2);
    this.#draft = new Int32Array(this.#words.length);
    this.#copy = new Int32Array(this.#words.length);
    this.#doubles = new Float64Array(this.#copy.buffer);
    this.#stateCount = stateCount;
  }

  /**
   * Takes a copy of the sheet as it is at one moment, which the methods below read. While the writer is stopped in the midst
   * of a change, or has died there, the copy stays the one before.
   *
   * Cost: bounded; the writer is never held up.
   */
  refresh(): void {
    for (let attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt++) {
      const before = Atomics.load(this.#words, SEQUENCE);
      if ((before & 1) === 1) continue;
      for (let word = STATE; word < this.#words.length; word++) this.#draft[word] = Atomics.load(this.#words, word);
      if (Atomics.load(this.#words, SEQUENCE) !== before) continue;
      this.#copy.set(this.#draft);
      return;
    }
  }

  /** The state at the last {@link refresh}; 0 when none was entered yet. */
  get state(): number {
    const state = this.#copy[STATE] as number;
    return state < this.#stateCount ? state : 0;
  }

  /** When that state was entered, in milliseconds since the epoch. */
  get since(): number {
    return this.#doubles[SINCE >>> 1] as number;
  }

  /** Time spent in a state up to `nowMs`, the stay that is going on included. */
  spentMs(state: number, nowMs: number): number {
    const ended = this.#doubles[(FIRST_SPENT >>> 1) + state - 1] as number;
    return state === this.state ? ended + Math.max(0, nowMs - this.since) : ended;
  }
}
