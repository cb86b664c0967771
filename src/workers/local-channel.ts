import { MillraceError } from '../base/errors.js';
import { type TravellingScope, withoutOrigin } from '../protocol/exchange-codec.js';
import { BARRIER, END_OF_INPUT, RECORD_BATCH, STATUS, WATERMARK } from '../protocol/stream-element.js';

/** Elements that wait before the producer stops taking input: enough to keep a consumer busy, few enough to stay in cache. */
const WAITING_MAX = 1024;
/** Room at the start. A power of two. */
const ROOM_LEAST = 2 * WAITING_MAX;
/** More room than this is given back when the channel runs empty. */
const ROOM_KEPT = 64 * ROOM_LEAST;
/** What one step may emit at most. */
const ROOM_MOST = 16 * 1024 * 1024;

/** Kind of a record that carries a scope: an origin, a request, or both. Beside the kinds of stream elements. */
const SCOPED_RECORD = 0;

/**
 * A channel between two tasks of one thread. Elements are handed over as they are: nothing is serialised, so producer and
 * consumer see the same object, as two operators of one chain do.
 *
 * ```text
 *   producer: write, emit…  ─▶  [head … tail)  ─▶  poll: consumer
 * ```
 *
 * A queue in columns: no object is made for an element. A write is always accepted, as an operator in the middle of a record
 * cannot wait; the producer's task takes no input while more than a thousand elements wait here ({@link hasOverflow}).
 *
 * Thread: the one that both tasks run in. Neither end has to be woken: the worker asks all its tasks before it parks.
 */
export class LocalChannel {
  /** Of the element that {@link poll} took: the kind as in stream-element.ts; a record's is RECORD_BATCH. */
  kind = 0;
  value: unknown = undefined;
  /** A record's timestamp; of a control element its number: watermark, checkpoint id, or 1 for active. */
  number = 0;
  readonly #channel: number;
  #mask = ROOM_LEAST - 1;
  #kinds = new Uint8Array(ROOM_LEAST);
  #values: unknown[] = new Array<unknown>(ROOM_LEAST).fill(undefined);
  #numbers = new Float64Array(ROOM_LEAST);
  /** Made when the first record with a scope comes: most jobs have none. */
  #scopes: ScopeColumns | null = null;
  /** Positions count elements, and wrap with 32 bits. */
  #head = 0;
  #tail = 0;

  /** @param channel its number in the plan, for errors */
  constructor(channel: number) {
    this.#channel = channel;
  }

  isEmpty(): boolean {
    return this.#head === this.#tail;
  }

  /** Marks the end of what waits at this moment, for {@link hasPassed}. */
  mark(): number {
    return this.#tail;
  }

  /** Whether everything that was there at the mark was taken. */
  hasPassed(mark: number): boolean {
    return ((this.#head - mark) | 0) >= 0;
  }

  /** Whether the producer's task has to wait. */
  get hasOverflow(): boolean {
    return ((this.#tail - this.#head) | 0) > WAITING_MAX;
  }

  /** @returns whether the producer's task may go on */
  drainOverflow(): boolean {
    return !this.hasOverflow;
  }

  /** Nothing is held back: what was written can be polled. */
  flush(): void {
    // There is no batch to hand over.
  }

  write(value: unknown, timestamp: number, scope: TravellingScope): void {
    const at = this.#claim();
    this.#values[at] = value;
    this.#numbers[at] = timestamp;
    if (scope.originPartition < 0 && scope.request === null) {
      this.#kinds[at] = RECORD_BATCH;
      return;
    }
    this.#kinds[at] = SCOPED_RECORD;
    this.#scopes ??= new ScopeColumns(this.#mask + 1);
    this.#scopes.put(at, scope);
  }

  emitWatermark(timestamp: number): void {
    this.#emit(WATERMARK, timestamp);
  }

  emitStatus(isActive: boolean): void {
    this.#emit(STATUS, isActive ? 1 : 0);
  }

  emitBarrier(checkpointId: number): void {
    this.#emit(BARRIER, checkpointId);
  }

  emitEndOfInput(): void {
    this.#emit(END_OF_INPUT, 0);
  }

  /**
   * Takes the next element into this channel's fields, and what is known of a record into `scope`.
   *
   * Cost: no allocation. @returns false when there is none
   */
  poll(scope: TravellingScope): boolean {
    const head = this.#head;
    if (head === this.#tail) return false;
    const at = head & this.#mask;
    const kind = this.#kinds[at] as number;
    this.value = this.#values[at];
    this.number = this.#numbers[at] as number;
    // What was taken must not be kept alive from here.
    this.#values[at] = undefined;
    this.#head = (head + 1) | 0;
    if (kind === RECORD_BATCH) {
      scope.request = null;
      withoutOrigin(scope);
    }
    if (kind === SCOPED_RECORD) this.#scopes?.take(at, scope);
    this.kind = kind === SCOPED_RECORD ? RECORD_BATCH : kind;
    return true;
  }

  #emit(kind: number, number: number): void {
    const at = this.#claim();
    this.#kinds[at] = kind;
    this.#numbers[at] = number;
  }

  /** @returns the place of a new element */
  #claim(): number {
    if (((this.#tail - this.#head) | 0) > this.#mask) this.#grow();
    else if (this.#head === this.#tail && this.#mask >= ROOM_KEPT) this.#resize(ROOM_LEAST);
    const at = this.#tail & this.#mask;
    this.#tail = (this.#tail + 1) | 0;
    return at;
  }

  #grow(): void {
    const room = (this.#mask + 1) * 2;
    if (room <= ROOM_MOST) return this.#resize(room);
    throw new MillraceError(
      'MILLRACE_CHANNEL_OVERFLOW',
      `one step emitted more than may wait in channel ${String(this.#channel)}`,
      {
        details: { channel: this.#channel, elementsMax: ROOM_MOST },
        hint: 'Emit fewer records per call of the function.',
      },
    );
  }

  /** Moves what waits to columns of another size. Positions stay what they are: somebody may have marked one. */
  #resize(room: number): void {
    const mask = room - 1;
    const kinds = new Uint8Array(room);
    const values = new Array<unknown>(room).fill(undefined);
    const numbers = new Float64Array(room);
    const scopes = this.#scopes === null ? null : new ScopeColumns(room);
    const count = (this.#tail - this.#head) | 0;
    for (let index = 0; index < count; index++) {
      const from = (this.#head + index) & this.#mask;
      const to = (this.#head + index) & mask;
      kinds[to] = this.#kinds[from] as number;
      values[to] = this.#values[from];
      numbers[to] = this.#numbers[from] as number;
      if (this.#kinds[from] === SCOPED_RECORD) this.#scopes?.copyTo(from, scopes, to);
    }
    this.#kinds = kinds;
    this.#values = values;
    this.#numbers = numbers;
    this.#scopes = scopes;
    this.#mask = mask;
  }
}

/** The scopes of records that have one, by place. */
class ScopeColumns {
  readonly #sources: Int32Array;
  readonly #partitions: Int32Array;
  readonly #offsets: Float64Array;
  readonly #times: Float64Array;
  readonly #requests: TravellingScope['request'][];

  constructor(room: number) {
    this.#sources = new Int32Array(room);
    this.#partitions = new Int32Array(room);
    this.#offsets = new Float64Array(room);
    this.#times = new Float64Array(room);
    this.#requests = new Array<TravellingScope['request']>(room).fill(null);
  }

  put(at: number, scope: TravellingScope): void {
    this.#sources[at] = scope.originSource;
    this.#partitions[at] = scope.originPartition;
    this.#offsets[at] = scope.originOffset;
    this.#times[at] = scope.originTime;
    this.#requests[at] = scope.request;
  }

  take(at: number, scope: TravellingScope): void {
    scope.originSource = this.#sources[at] as number;
    scope.originPartition = this.#partitions[at] as number;
    scope.originOffset = this.#offsets[at] as number;
    scope.originTime = this.#times[at] as number;
    scope.request = this.#requests[at] ?? null;
    this.#requests[at] = null;
  }

  copyTo(at: number, target: ScopeColumns | null, targetAt: number): void {
    target?.put(targetAt, {
      originSource: this.#sources[at] as number,
      originPartition: this.#partitions[at] as number,
      originOffset: this.#offsets[at] as number,
      originTime: this.#times[at] as number,
      request: this.#requests[at] ?? null,
    });
  }
}
