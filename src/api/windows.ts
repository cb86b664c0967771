import { MAX_WATERMARK } from './timer-service.js';

/** A bucket of records: of event or processing time, or all of a key's. @public */
export type Window = TimeWindow | GlobalWindow;

/** The window `[start, end)`, in milliseconds. @public */
export class TimeWindow {
  /** Tells the kinds of windows apart. */
  readonly kind = 'time';
  /** Inclusive; milliseconds since the epoch. */
  readonly start: number;
  /** Exclusive; milliseconds since the epoch. */
  readonly end: number;

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }

  /** The largest timestamp that belongs to the window: `end - 1`. Results of the window carry it. */
  maxTimestamp(): number {
    return this.end - 1;
  }

  /** Whether the two overlap or touch, and so merge. */
  intersects(other: TimeWindow): boolean {
    return this.start <= other.end && this.end >= other.start;
  }
}

/** The one window that holds all records of a key and never ends. @public */
export class GlobalWindow {
  /** Tells the kinds of windows apart. */
  readonly kind = 'global';

  /** `Infinity`: it never ends. */
  maxTimestamp(): number {
    return MAX_WATERMARK;
  }
}

/** Start of the window of this size that holds the timestamp, when windows are aligned to `offset`. */
export function windowStartWithOffset(timestamp: number, offset: number, size: number): number {
  const remainder = (timestamp - offset) % size;
  return remainder < 0 ? timestamp - (remainder + size) : timestamp - remainder;
}
