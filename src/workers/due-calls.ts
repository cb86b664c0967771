import { invariant } from '../base/invariant.js';

interface DueCall {
  readonly timestamp: number;
  /** Order of registration: equal timestamps fire in it. */
  readonly order: number;
  readonly callback: (timestamp: number) => void;
}

/** Callbacks by the time they are due, on whichever clock: a binary heap. */
export class DueCalls {
  readonly #heap: DueCall[] = [];
  #registered = 0;

  add(timestamp: number, callback: (timestamp: number) => void): void {
    this.#heap.push({ timestamp, order: this.#registered++, callback });
    this.#siftUp(this.#heap.length - 1);
  }

  /** When the earliest is due; `Infinity` without any. */
  get nextDueAt(): number {
    return this.#heap[0]?.timestamp ?? Infinity;
  }

  /** Runs everything that is due at `now`, also what the callbacks add. @returns how many ran */
  runUpTo(now: number): number {
    let ran = 0;
    while (this.nextDueAt <= now) {
      const due = this.#takeFirst();
      due.callback(due.timestamp);
      ran++;
    }
    return ran;
  }

  #takeFirst(): DueCall {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    invariant(first !== undefined && last !== undefined, 'a timer is due');
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#siftDown(0);
    }
    return first;
  }

  #siftUp(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #siftDown(from: number): void {
    let at = from;
    for (;;) {
      let least = at;
      for (let child = 2 * at + 1; child <= 2 * at + 2; child++) {
        if (child < this.#heap.length && this.#isBefore(child, least)) least = child;
      }
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const left = this.#heap[a] as DueCall;
    const right = this.#heap[b] as DueCall;
    return left.timestamp < right.timestamp || (left.timestamp === right.timestamp && left.order < right.order);
  }

  #swap(a: number, b: number): void {
    const held = this.#heap[a] as DueCall;
    this.#heap[a] = this.#heap[b] as DueCall;
    this.#heap[b] = held;
  }
}
