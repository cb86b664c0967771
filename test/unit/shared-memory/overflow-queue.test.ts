import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OverflowQueue } from '../../../src/shared-memory/overflow-queue.js';

function front(queue: OverflowQueue): { kind: number; payload: string } {
  return { kind: queue.kind, payload: Buffer.from(queue.bytes.subarray(queue.start, queue.end)).toString('latin1') };
}

function push(queue: OverflowQueue, kind: number, payload: string): void {
  const bytes = Buffer.from(`<<${payload}>>`, 'latin1');
  queue.push(kind, bytes, 2, bytes.length - 2);
}

describe('OverflowQueue', () => {
  test('gives entries back in order, empty ones included', () => {
    const queue = new OverflowQueue();
    expect(queue.isEmpty).toBe(true);
    push(queue, 1, 'first');
    push(queue, 2, '');
    push(queue, 253, 'third');
    expect(front(queue)).toEqual({ kind: 1, payload: 'first' });
    queue.shift();
    expect(front(queue)).toEqual({ kind: 2, payload: '' });
    queue.shift();
    expect(front(queue)).toEqual({ kind: 253, payload: 'third' });
    queue.shift();
    expect(queue.isEmpty).toBe(true);
    expect(queue.byteLength).toBe(0);
  });

  test('trims the entry in front, which may change its kind', () => {
    const queue = new OverflowQueue();
    push(queue, 9, 'abcdefghij');
    push(queue, 2, 'next');
    queue.trim(0, 253);
    expect(front(queue)).toEqual({ kind: 253, payload: 'abcdefghij' });
    queue.trim(7, 253);
    expect(front(queue)).toEqual({ kind: 253, payload: 'hij' });
    expect(() => queue.trim(3, 253)).toThrow(/at least one byte/);
    queue.shift();
    expect(front(queue)).toEqual({ kind: 2, payload: 'next' });
  });

  test('agrees with an array, however pushes and shifts alternate', () => {
    const step = fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.constant('shift' as const));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new OverflowQueue();
        const model: { kind: number; payload: string }[] = [];
        for (const [index, each] of steps.entries()) {
          if (each === 'shift') {
            if (model.length === 0) continue;
            expect(front(queue)).toEqual(model.shift());
            queue.shift();
          } else {
            const entry = { kind: index, payload: String.fromCharCode(33 + (index % 90)).repeat(each) };
            push(queue, entry.kind, entry.payload);
            model.push(entry);
          }
        }
        for (const entry of model) {
          expect(front(queue)).toEqual(entry);
          queue.shift();
        }
        expect(queue.isEmpty).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('stays at a bounded size under a steady flow, and lets go of a large block once it is empty', () => {
    const queue = new OverflowQueue();
    const payload = Buffer.alloc(10_000);
    for (let i = 0; i < 3; i++) queue.push(1, payload, 0, payload.length);
    for (let i = 0; i < 10_000; i++) {
      queue.push(1, payload, 0, payload.length);
      queue.shift();
    }
    expect(queue.bytes.length).toBeLessThan(16 * payload.length);

    queue.push(1, Buffer.alloc(1024 * 1024), 0, 1024 * 1024);
    while (!queue.isEmpty) queue.shift();
    expect(queue.bytes.length).toBe(0);
  });
});
