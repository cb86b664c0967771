import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { PendingRequest, PendingRequests } from '../../../src/http/pending-requests.js';
import type { PendingEnd } from '../../../src/http/pending-requests.js';
import { TimerWheel } from '../../../src/http/timer-wheel.js';
import { ManualTime } from '../../helpers/manual-time.js';

const COUNT_MAX = 3;
const BYTES_MAX = 100;
const WAIT_MS = 20;
const WAITERS_MAX = 4;
const WAITERS_BYTES_MAX = 120;
const TICK_MS = 1;

interface Arrival {
  readonly sizeBytes: number;
  readonly timeoutMs: number;
  /** The request is refused while it is being admitted. */
  readonly failsAtOnce: boolean;
}

class Visitor extends PendingRequest {
  override readonly correlationId: string;
  override readonly sizeBytes: number;
  override readonly expiresAtMs: number;
  readonly number: number;
  readonly arrivedAtMs: number;
  readonly ends: { readonly end: PendingEnd; readonly atMs: number; readonly hadReply: boolean }[] = [];
  isAdmitted = false;
  readonly #house: House;
  readonly #failsAtOnce: boolean;

  constructor(house: House, number: number, arrival: Arrival) {
    super();
    this.#house = house;
    this.#failsAtOnce = arrival.failsAtOnce;
    this.number = number;
    this.correlationId = `request-${number}`;
    this.sizeBytes = arrival.sizeBytes;
    this.arrivedAtMs = house.time.nowMs();
    this.expiresAtMs = this.arrivedAtMs + arrival.timeoutMs;
  }

  override onAdmitted(): void {
    expect(this.isAdmitted, 'a request is admitted once').toBe(false);
    this.isAdmitted = true;
    this.#house.admitted.push(this.number);
    this.#house.checkBounds();
    if (this.#failsAtOnce) this.#house.table.end(this, 'refused');
  }

  override onEnded(end: PendingEnd, reply: object | null): void {
    this.ends.push({ end, atMs: this.#house.time.nowMs(), hadReply: reply !== null });
  }
}

/** A table, everyone who ever came to it, and what must hold of them. */
class House {
  readonly time = new ManualTime();
  readonly #wheel = new TimerWheel({ clock: this.time, alarm: this.time, tickMs: TICK_MS });
  readonly table = new PendingRequests({
    clock: this.time,
    wheel: this.#wheel,
    countMax: COUNT_MAX,
    bytesMax: BYTES_MAX,
    waitMs: WAIT_MS,
    waitersMax: WAITERS_MAX,
    waitersBytesMax: WAITERS_BYTES_MAX,
  });
  readonly visitors: Visitor[] = [];
  /** Numbers in the order of admission. */
  readonly admitted: number[] = [];

  arrive(arrival: Arrival): void {
    const { waiterCount, waiterBytes } = this.table;
    const visitor = new Visitor(this, this.visitors.length, arrival);
    this.visitors.push(visitor);
    this.table.offer(visitor);
    if (visitor.ends[0]?.end !== 'crowded-out') return;
    const hadRoomToWait =
      waiterCount < WAITERS_MAX &&
      waiterBytes + arrival.sizeBytes <= WAITERS_BYTES_MAX &&
      arrival.sizeBytes <= BYTES_MAX;
    expect(hadRoomToWait, 'only a full queue turns a request away at once').toBe(false);
  }

  reply(pick: number): void {
    const visitor = this.visitors[pick % Math.max(this.visitors.length, 1)];
    if (visitor === undefined) return;
    const waits = visitor.isAdmitted && visitor.ends.length === 0;
    const { correlationId } = visitor;
    const reply = { correlationId, status: 200, contentType: '', body: new Uint8Array(), timestamp: 0 };
    expect(this.table.reply(reply as never)).toBe(waits);
  }

  end(pick: number, end: 'hung-up' | 'detached' | 'refused'): void {
    const visitor = this.visitors[pick % Math.max(this.visitors.length, 1)];
    if (visitor === undefined) return;
    const isOpen = visitor.ends.length === 0;
    expect(this.table.end(visitor, end)).toBe(isOpen);
  }

  checkBounds(): void {
    const open = this.visitors.filter((visitor) => visitor.ends.length === 0);
    const inside = open.filter((visitor) => visitor.isAdmitted);
    expect(inside.length).toBeLessThanOrEqual(COUNT_MAX);
    expect(sizeOf(inside)).toBeLessThanOrEqual(BYTES_MAX);
    expect(this.table.count).toBe(inside.length);
    expect(this.table.bytes).toBe(sizeOf(inside));
  }

  check(): void {
    this.checkBounds();
    const waiting = this.visitors.filter((visitor) => visitor.ends.length === 0 && !visitor.isAdmitted);
    expect(this.table.waiterCount).toBe(waiting.length);
    expect(this.table.waiterBytes).toBe(sizeOf(waiting));
    expect(waiting.length).toBeLessThanOrEqual(WAITERS_MAX);
    expect(sizeOf(waiting)).toBeLessThanOrEqual(WAITERS_BYTES_MAX);
    const [first] = waiting;
    if (first !== undefined) {
      const fits = this.table.count < COUNT_MAX && this.table.bytes + first.sizeBytes <= BYTES_MAX;
      expect(fits, 'nobody waits while there is room for the first').toBe(false);
    }
    const inOrder = this.admitted.toSorted((a, b) => a - b);
    expect(this.admitted, 'nobody overtakes').toEqual(inOrder);
    for (const visitor of this.visitors) checkEnd(visitor);
  }
}

function sizeOf(visitors: readonly Visitor[]): number {
  return visitors.reduce((sum, visitor) => sum + visitor.sizeBytes, 0);
}

function checkEnd(visitor: Visitor): void {
  expect(visitor.ends.length, 'a request ends once').toBeLessThanOrEqual(1);
  const [last] = visitor.ends;
  if (last === undefined) return;
  expect(last.hadReply).toBe(last.end === 'replied');
  if (last.end === 'expired') {
    expect(visitor.isAdmitted).toBe(true);
    expect(last.atMs).toBeGreaterThanOrEqual(visitor.expiresAtMs);
    expect(last.atMs).toBeLessThanOrEqual(visitor.expiresAtMs + TICK_MS);
  }
  if (last.end === 'crowded-out') {
    expect(visitor.isAdmitted).toBe(false);
    const limitMs = Math.min(visitor.arrivedAtMs + WAIT_MS, visitor.expiresAtMs);
    const wasTurnedAwayAtOnce = last.atMs === visitor.arrivedAtMs;
    if (!wasTurnedAwayAtOnce) {
      expect(last.atMs).toBeGreaterThanOrEqual(limitMs);
      expect(last.atMs).toBeLessThanOrEqual(limitMs + TICK_MS);
    }
  }
}

const arrival = fc.record({
  kind: fc.constant('arrive' as const),
  sizeBytes: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 41, max: 110 })),
  timeoutMs: fc.integer({ min: 1, max: 60 }),
  failsAtOnce: fc.integer({ min: 0, max: 9 }).map((roll) => roll === 0),
});
const step = fc.oneof(
  { weight: 5, arbitrary: arrival },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reply' as const), pick: fc.nat(60) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      pick: fc.nat(60),
      end: fc.constantFrom('hung-up' as const, 'detached' as const, 'refused' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 15 }) }) },
);

describe('PendingRequests, for any order of arrivals, replies, deadlines and hang-ups', () => {
  it('stays within its bounds, admits in order of arrival, and ends each request exactly once', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const house = new House();
        for (const next of steps) {
          if (next.kind === 'arrive') house.arrive(next);
          else if (next.kind === 'reply') house.reply(next.pick);
          else if (next.kind === 'end') house.end(next.pick, next.end);
          else house.time.pass(next.ms);
          house.check();
        }
        let isIdle = false;
        house.table.whenIdle(() => (isIdle = true));
        house.time.pass(1_000);
        house.check();
        expect(isIdle).toBe(true);
        expect(house.visitors.every((visitor) => visitor.ends.length === 1)).toBe(true);
        expect(house.time.alarmMs, 'the timer rests when nobody waits').toBe(Infinity);
      }),
      { numRuns: 500 },
    );
  });
});
