import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type QueuedTimer, TimerQueue } from '../../../src/operators/timer-queue.js';

type Command =
  | { readonly kind: 'add' | 'remove'; readonly timestamp: number; readonly key: string; readonly namespace: number }
  | { readonly kind: 'poll' };

const timer = {
  timestamp: fc.integer({ min: -3, max: 6 }),
  key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'),
  namespace: fc.constantFrom(0, 1, 2),
};
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), ...timer }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), ...timer }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('poll' as const) }) },
);

interface ModelTimer {
  readonly timestamp: number;
  readonly key: string;
  readonly namespace: number;
}

/** The queue as a list: sorted by timestamp, in the order of adding within one. */
class ModelQueue {
  timers: ModelTimer[] = [];

  add(added: ModelTimer): boolean {
    if (this.#indexOf(added) >= 0) return false;
    this.timers.push(added);
    return true;
  }

  remove(removed: ModelTimer): boolean {
    const index = this.#indexOf(removed);
    if (index < 0) return false;
    this.timers.splice(index, 1);
    return true;
  }

  poll(): ModelTimer | undefined {
    const least = Math.min(...this.timers.map(({ timestamp }) => timestamp));
    const first = this.timers.find(({ timestamp }) => timestamp === least);
    if (first !== undefined) this.remove(first);
    return first;
  }

  #indexOf({ timestamp, key, namespace }: ModelTimer): number {
    return this.timers.findIndex(
      (each) => each.timestamp === timestamp && each.key === key && each.namespace === namespace,
    );
  }
}

function add(queue: TimerQueue<QueuedTimer>, at: number, key: string, of: number): boolean {
  return queue.add(at, key, of, (timestamp, namespace) => ({ timestamp, key, namespace, isDeleted: false }));
}

describe('TimerQueue', () => {
  it('behaves as a sorted list without duplicates under any adds, removals and polls', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
        const queue = new TimerQueue<QueuedTimer>();
        const model = new ModelQueue();
        for (const step of commands) {
          if (step.kind === 'add') {
            const added = add(queue, step.timestamp, step.key, step.namespace);
            expect(added).toBe(model.add(step));
          } else if (step.kind === 'remove') {
            const removed = queue.remove(step.timestamp, step.key, step.namespace);
            expect(removed !== null).toBe(model.remove(step));
          } else {
            const at = queue.peekTimestamp();
            const entry = queue.pollUpTo(Infinity);
            const expected = model.poll();
            expect([at, entry?.key, entry?.namespace]).toEqual([
              expected?.timestamp,
              expected?.key,
              expected?.namespace,
            ]);
          }
          expect(queue.size).toBe(model.timers.length);
        }
      }),
    );
  });

  it('keeps its order through sweeps of many timers that were deleted', () => {
    const queue = new TimerQueue<QueuedTimer>();

    // Each record moves the timer of its key: what stays behind is empty groups.
    for (let i = 0; i < 20_000; i++) {
      add(queue, (i * 7919) % 100_003, 'a', 0);
      if (i >= 10) queue.remove(((i - 10) * 7919) % 100_003, 'a', 0);
    }
    expect(queue.size).toBe(10);
    const fired: number[] = [];
    for (let at = queue.peekTimestamp(); at !== undefined; at = queue.peekTimestamp()) {
      fired.push(at);
      queue.pollUpTo(Infinity);
    }
    expect(fired).toEqual([...fired].sort((a, b) => a - b));
    expect(fired).toHaveLength(10);
  });

  it('does not grow when timers of one timestamp come and go beside one that stays', () => {
    const queue = new TimerQueue<QueuedTimer>();
    add(queue, 1, 'stays', 0);
    for (let i = 0; i < 5_000; i++) {
      add(queue, 1, `key-${i}`, 0);
      queue.remove(1, `key-${i}`, 0);
    }
    expect(queue.size).toBe(1);
    expect(queue.pollUpTo(Infinity)?.key).toBe('stays');
    expect(queue.pollUpTo(Infinity)).toBeUndefined();
  });
});
