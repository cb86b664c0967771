import { describe, expect, it } from 'vitest';

import { PendingRequest, PendingRequests } from '../../../src/http/pending-requests.js';
import type { PendingEnd } from '../../../src/http/pending-requests.js';
import { TimerWheel } from '../../../src/http/timer-wheel.js';
import { ManualTime } from '../../helpers/manual-time.js';

class Guest extends PendingRequest {
  override readonly correlationId: string;
  override readonly sizeBytes: number;
  override readonly expiresAtMs: number;
  readonly log: string[] = [];

  constructor(id: string, sizeBytes = 1, expiresAtMs = 1_000) {
    super();
    this.correlationId = id;
    this.sizeBytes = sizeBytes;
    this.expiresAtMs = expiresAtMs;
  }

  override onAdmitted(): void {
    this.log.push('admitted');
  }

  override onEnded(end: PendingEnd): void {
    this.log.push(end);
  }
}

function makeTable(options: { countMax?: number; bytesMax?: number } = {}) {
  const time = new ManualTime();
  const wheel = new TimerWheel({ clock: time, alarm: time, tickMs: 1 });
  const table = new PendingRequests({
    clock: time,
    wheel,
    countMax: options.countMax ?? 1,
    bytesMax: options.bytesMax ?? 100,
    waitMs: 50,
    waitersMax: 2,
    waitersBytesMax: 100,
  });
  return { time, table };
}

describe('PendingRequests', () => {
  it('holds back a small request behind a large one that waits, so that the large one cannot starve', () => {
    const { table } = makeTable({ countMax: 10, bytesMax: 10 });
    const [first, large, small] = [new Guest('first', 8), new Guest('large', 9), new Guest('small', 1)];
    for (const guest of [first, large, small]) table.offer(guest);
    expect([large.log, small.log]).toEqual([[], []]);
    table.end(first, 'hung-up');
    expect(large.log).toEqual(['admitted']);
    expect(small.log).toEqual(['admitted']);
  });

  it('turns away at once what could never fit, however long it waited', () => {
    const { table } = makeTable({ countMax: 10, bytesMax: 10 });
    const giant = new Guest('giant', 11);
    table.offer(giant);
    expect(giant.log).toEqual(['crowded-out']);
  });

  it('gives a freed place to the next in line, skipping whoever left the line', () => {
    const { table } = makeTable();
    const [first, second, third] = [new Guest('1'), new Guest('2'), new Guest('3')];
    for (const guest of [first, second, third]) table.offer(guest);
    table.end(second, 'hung-up');
    table.end(first, 'hung-up');
    expect(second.log).toEqual(['hung-up']);
    expect(third.log).toEqual(['admitted']);
  });

  it('counts the deadline from arrival, so that waiting for a place does not extend it', () => {
    const { table, time } = makeTable();
    const [first, second] = [new Guest('1'), new Guest('2', 1, 30)];
    table.offer(first);
    table.offer(second);
    time.pass(25);
    table.end(first, 'hung-up');
    time.pass(5);
    expect(second.log).toEqual(['admitted', 'expired']);
  });

  it('ends everything when told to, those in line first', () => {
    const { table } = makeTable();
    const guests = [new Guest('1'), new Guest('2'), new Guest('3')];
    for (const guest of guests) table.offer(guest);
    expect(table.endAll('shut-down')).toBe(3);
    expect(guests.map((guest) => guest.log)).toEqual([['admitted', 'shut-down'], ['shut-down'], ['shut-down']]);
    expect(table.count + table.waiterCount).toBe(0);
  });

  it('admits nobody while it ends those in line', () => {
    const { table } = makeTable({ countMax: 10, bytesMax: 10 });
    const [first, large, small] = [new Guest('first', 8), new Guest('large', 9), new Guest('small', 1)];
    for (const guest of [first, large, small]) table.offer(guest);
    table.endWaiters('shut-down');
    expect([first.log, large.log, small.log]).toEqual([['admitted'], ['shut-down'], ['shut-down']]);
  });

  it('refuses to take the same request twice: that is a defect of the caller', () => {
    const { table } = makeTable();
    const guest = new Guest('1');
    table.offer(guest);
    expect(() => table.offer(guest)).toThrow(expect.objectContaining({ code: 'MILLRACE_INVARIANT_VIOLATED' }));
  });
});
