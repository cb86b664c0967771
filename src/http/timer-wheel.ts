import type { MonotonicClock } from '../base/clock.js';
import { invariant } from '../base/invariant.js';

/**
 * One hierarchical timer wheel for all deadlines of the gateway, so that a request costs two pointer swaps and no timer of
 * the runtime.
 *
 * Four levels of 64 slots. Level 0 has one slot per tick; a slot of level n spans 64^n ticks and is spread over the level
 * below when its span begins. A timer is a node in its slot's doubly linked list, so scheduling and cancelling are O(1)
 * and allocate nothing.
 *
 *     level 3   |  64^3 ticks per slot  |      ─┐
 *     level 2   |  64^2 ticks per slot  |       │ cascade when
 *     level 1   |  64   ticks per slot  |       │ a span begins
 *     level 0   |  one tick per slot    |  ◀────┘  fires
 *
 * The wheel sleeps between the slots that hold something: its alarm is set for the next one, and not at all while nothing is
 * scheduled. Cancelling leaves the alarm alone, because most timers are cancelled and re-arming would then cost more than
 * the one empty wake-up.
 *
 * A timer never fires early. It fires late by at most one tick, the alarm's own lateness, and what blocks the thread.
 *
 * Thread: main. Not for the worker loop, which keeps its timers in state.
 */

const SLOT_BITS = 6;
const SLOT_COUNT = 1 << SLOT_BITS;
const LEVEL_COUNT = 4;
/** Ticks spanned by one slot of each level. */
const SPANS: readonly number[] = Array.from({ length: LEVEL_COUNT }, (_, level) => SLOT_COUNT ** level);
/** A timer further away than this waits in the last level and is placed again when it comes down. */
const HORIZON_TICKS = SLOT_COUNT ** LEVEL_COUNT - 1;
/** The largest delay that `setTimeout` takes is about 24 days; waking once an hour for nothing costs nothing. */
const ALARM_DELAY_MS_MAX = 3_600_000;

/**
 * Something that can be scheduled on one {@link TimerWheel}. Extend it: the links live in the object, so that scheduling
 * allocates nothing. The `wheel…` fields belong to the wheel.
 */
export abstract class WheelTimer {
  wheelNext: WheelTimer = this;
  wheelPrevious: WheelTimer = this;
  wheelTick = 0;
  wheelLevel = -1;

  get isScheduled(): boolean {
    return this.wheelLevel >= 0;
  }

  /** The time has come. The timer is no longer scheduled and may be scheduled again. Must not throw. */
  abstract onTimer(): void;
}

/** The head of a slot's list. */
class SlotHead extends WheelTimer {
  override onTimer(): void {
    invariant(false, 'a slot head is never fired');
  }
}

/** Calls back once after a delay. Setting it again replaces the earlier call. */
export interface Alarm {
  set(delayMs: number, wake: () => void): void;
  clear(): void;
}

/** An alarm on the runtime's timers. It does not keep the process alive: an open server socket does that. */
export class SystemAlarm implements Alarm {
  #handle: NodeJS.Timeout | null = null;

  set(delayMs: number, wake: () => void): void {
    if (this.#handle !== null) clearTimeout(this.#handle);
    this.#handle = setTimeout(wake, delayMs);
    this.#handle.unref();
  }

  clear(): void {
    if (this.#handle !== null) clearTimeout(this.#handle);
    this.#handle = null;
  }
}

export interface TimerWheelOptions {
  readonly clock: MonotonicClock;
  readonly alarm: Alarm;
  /** Resolution in milliseconds. @defaultValue 10 */
  readonly tickMs?: number;
}

export class TimerWheel {
  readonly #clock: MonotonicClock;
  readonly #alarm: Alarm;
  readonly #tickMs: number;
  readonly #originMs: number;
  readonly #slots: readonly (readonly SlotHead[])[];
  readonly #levelCounts: number[] = new Array<number>(LEVEL_COUNT).fill(0);
  readonly #wake = (): void => {
    this.#alarmTick = Infinity;
    this.advance();
  };
  #size = 0;
  /** Every timer of this tick and before has fired. */
  #currentTick = 0;
  /** The tick that the alarm is set for; `Infinity` when it is not set. */
  #alarmTick = Infinity;
  #isAdvancing = false;

  constructor(options: TimerWheelOptions) {
    this.#clock = options.clock;
    this.#alarm = options.alarm;
    this.#tickMs = options.tickMs ?? 10;
    invariant(this.#tickMs > 0, 'a tick has a length');
    this.#originMs = options.clock.nowMs();
    this.#slots = Array.from({ length: LEVEL_COUNT }, () => Array.from({ length: SLOT_COUNT }, () => new SlotHead()));
  }

  /** How many timers are scheduled. */
  get size(): number {
    return this.#size;
  }

  /**
   * Schedules a timer, or moves it when it is scheduled already.
   *
   * @param atMs on the monotonic clock; a time in the past fires with the next tick, never within this call.
   */
  schedule(timer: WheelTimer, atMs: number): void {
    if (timer.wheelLevel >= 0) this.#unlink(timer);
    // A wheel that was empty may not have turned for long: it starts again from now.
    if (this.#size === 0 && !this.#isAdvancing) this.#currentTick = this.#tickOf(this.#clock.nowMs());
    const tick = Math.ceil((atMs - this.#originMs) / this.#tickMs);
    timer.wheelTick = tick > this.#currentTick ? tick : this.#currentTick + 1;
    this.#link(timer);
    if (timer.wheelTick < this.#alarmTick && !this.#isAdvancing) this.#arm();
  }

  /** Forgets a timer. Does nothing when it is not scheduled. */
  cancel(timer: WheelTimer): void {
    if (timer.wheelLevel >= 0) this.#unlink(timer);
  }

  /**
   * Fires every timer whose time has come. Called by the alarm; may be called at any time.
   *
   * @returns how many fired.
   */
  advance(): number {
    if (this.#isAdvancing) return 0;
    this.#isAdvancing = true;
    const targetTick = this.#tickOf(this.#clock.nowMs());
    let firedCount = 0;
    while (this.#currentTick < targetTick) {
      if (this.#size === 0) {
        this.#currentTick = targetTick;
        break;
      }
      this.#currentTick = Math.min(this.#nextBusyTick(), targetTick);
      this.#cascade();
      firedCount += this.#fire();
    }
    this.#isAdvancing = false;
    this.#arm();
    return firedCount;
  }

  /** Drops the alarm and every timer; none of them fires. May be called twice. */
  close(): void {
    for (const level of this.#slots) {
      for (const head of level) {
        while (head.wheelNext !== head) this.#unlink(head.wheelNext);
      }
    }
    this.#alarm.clear();
    this.#alarmTick = Infinity;
  }

  #tickOf(timeMs: number): number {
    return Math.floor((timeMs - this.#originMs) / this.#tickMs);
  }

  #link(timer: WheelTimer): void {
    const distance = Math.min(timer.wheelTick - this.#currentTick, HORIZON_TICKS);
    let level = 0;
    while (distance >= (SPANS[level + 1] ?? Infinity)) level += 1;
    const head = this.#slot(level, this.#blockOf(this.#currentTick + distance, level));
    timer.wheelLevel = level;
    timer.wheelPrevious = head.wheelPrevious;
    timer.wheelNext = head;
    head.wheelPrevious.wheelNext = timer;
    head.wheelPrevious = timer;
    this.#size += 1;
    this.#levelCounts[level] = (this.#levelCounts[level] ?? 0) + 1;
  }

  #unlink(timer: WheelTimer): void {
    const level = timer.wheelLevel;
    timer.wheelPrevious.wheelNext = timer.wheelNext;
    timer.wheelNext.wheelPrevious = timer.wheelPrevious;
    timer.wheelNext = timer;
    timer.wheelPrevious = timer;
    timer.wheelLevel = -1;
    this.#size -= 1;
    this.#levelCounts[level] = (this.#levelCounts[level] ?? 0) - 1;
  }

  /** Which span of a level a tick lies in, counted from the origin. Ticks outgrow 32 bits, so this divides and never shifts. */
  #blockOf(tick: number, level: number): number {
    return Math.floor(tick / (SPANS[level] ?? 1));
  }

  #slot(level: number, block: number): SlotHead {
    const head = this.#slots[level]?.[block % SLOT_COUNT];
    invariant(head !== undefined, 'a timer lies within the wheel');
    return head;
  }

  /** The next tick at which a slot fires or comes down a level; `Infinity` when nothing is scheduled. */
  #nextBusyTick(): number {
    let next = Infinity;
    for (let level = 0; level < LEVEL_COUNT; level += 1) {
      if (this.#levelCounts[level] === 0) continue;
      const block = this.#blockOf(this.#currentTick, level);
      for (let ahead = 1; ahead <= SLOT_COUNT; ahead += 1) {
        const head = this.#slot(level, block + ahead);
        if (head.wheelNext === head) continue;
        next = Math.min(next, (block + ahead) * (SPANS[level] ?? 1));
        break;
      }
    }
    return next;
  }

  /** Spreads every slot whose span begins at the current tick over the levels below, the widest span first. */
  #cascade(): void {
    for (let level = LEVEL_COUNT - 1; level > 0; level -= 1) {
      if (this.#levelCounts[level] === 0 || this.#currentTick % (SPANS[level] ?? 1) !== 0) continue;
      const head = this.#slot(level, this.#blockOf(this.#currentTick, level));
      // The list is taken whole first: a timer from beyond the horizon may come back to this very slot.
      const last = head.wheelPrevious;
      let isLast = head.wheelNext === head;
      while (!isLast) {
        const timer = head.wheelNext;
        isLast = timer === last;
        this.#unlink(timer);
        this.#link(timer);
      }
    }
  }

  #fire(): number {
    const head = this.#slot(0, this.#currentTick);
    let firedCount = 0;
    while (head.wheelNext !== head) {
      const timer = head.wheelNext;
      this.#unlink(timer);
      timer.onTimer();
      firedCount += 1;
    }
    return firedCount;
  }

  #arm(): void {
    const tick = this.#nextBusyTick();
    if (tick >= this.#alarmTick) return;
    this.#alarmTick = tick;
    const delayMs = this.#originMs + tick * this.#tickMs - this.#clock.nowMs();
    this.#alarm.set(Math.min(Math.max(Math.ceil(delayMs), 1), ALARM_DELAY_MS_MAX), this.#wake);
  }
}
