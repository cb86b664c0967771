import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Collector } from '../../../src/api/functions.js';
import { EventTimeSessionWindows } from '../../../src/api/window-assigners.js';
import { ProcessWindowFunction } from '../../../src/api/window-function.js';
import type { ProcessWindowContext } from '../../../src/api/window-function.js';
import type { TimeWindow } from '../../../src/api/windows.js';
import { WindowOperator } from '../../../src/operators/windows/window-operator.js';
import { OperatorHarness } from '../../../src/testing/operator-harness.js';

interface Visit {
  readonly user: string;
  readonly id: number;
  readonly gap: number;
}

interface Session {
  readonly user: string;
  readonly start: number;
  readonly end: number;
  readonly ids: readonly number[];
}

class SessionFunction extends ProcessWindowFunction<Visit, Session, string, TimeWindow> {
  process(
    user: string,
    context: ProcessWindowContext<TimeWindow>,
    elements: readonly Visit[],
    out: Collector<Session>,
  ): void {
    const { start, end } = context.window();
    out.collect({ user, start, end, ids: elements.map(({ id }) => id).sort((a, b) => a - b) });
  }
}

/** Merges until nothing touches any more. */
function sessionsByMerging(visits: readonly { readonly visit: Visit; readonly at: number }[]): Session[] {
  const sessions: Session[] = visits.map(({ visit, at }) => ({
    user: visit.user,
    start: at,
    end: at + visit.gap,
    ids: [visit.id],
  }));
  for (;;) {
    const found = sessions.findIndex((a, i) => sessions.slice(i + 1).some((b) => touches(a, b)));
    const a = sessions[found];
    if (a === undefined) return sessions.sort(byUserAndStart);
    const other = sessions.findIndex((b, i) => i > found && touches(a, b));
    const b = sessions[other] as Session;
    sessions.splice(other, 1);
    sessions[found] = {
      user: a.user,
      start: Math.min(a.start, b.start),
      end: Math.max(a.end, b.end),
      ids: [...a.ids, ...b.ids].sort((x, y) => x - y),
    };
  }
}

function touches(a: Session, b: Session): boolean {
  return a.user === b.user && a.start <= b.end && b.start <= a.end;
}

function byUserAndStart(a: Session, b: Session): number {
  return a.user === b.user ? a.start - b.start : a.user.localeCompare(b.user);
}

describe('session windows', () => {
  it('hold the same records as sessions that are merged until nothing touches, in any order of arrival', () => {
    const visits = fc.array(
      fc.record({
        user: fc.constantFrom('ada', 'bob'),
        gap: fc.integer({ min: 1, max: 15 }),
        at: fc.integer({ min: -20, max: 100 }),
        restart: fc.integer({ min: 0, max: 9 }),
      }),
      { maxLength: 25 },
    );
    fc.assert(
      fc.property(visits, (input) => {
        const harness = new OperatorHarness<Session>(
          () =>
            new WindowOperator<Visit, Session, TimeWindow>({
              key: (visit) => visit.user,
              assigner: EventTimeSessionWindows.withDynamicGap((visit: Visit) => visit.gap),
              trigger: EventTimeSessionWindows.withGap(1).defaultTrigger(),
              allowedLatenessMs: 0,
              lateTag: null,
              aggregation: null,
              fn: new SessionFunction(),
            }),
          { inputs: [{ key: (visit: Visit) => visit.user }] },
        );
        harness.open();
        const expected = input.map(({ user, gap, at }, id) => ({ visit: { user, gap, id }, at }));
        for (const [index, { visit, at }] of expected.entries()) {
          harness.processElement(visit, at);
          if (input[index]?.restart === 0) harness.restore(harness.snapshot());
        }
        harness.processMaxWatermark();
        expect(harness.takeValues().sort(byUserAndStart)).toEqual(sessionsByMerging(expected));
      }),
    );
  });
});
