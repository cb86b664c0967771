import { expect, it } from 'vitest';
import { MillraceError } from '../../../src/base/errors.js';
import type { WorkerEvent } from '../../../src/protocol/control-message.js';
import { SkipReport } from '../../../src/workers/skip-report.js';

it('reports the first skipped record at once, then one count a second with the newest cause', () => {
  const events: WorkerEvent[] = [];
  const report = new SkipReport(2, (event) => void events.push(event));
  const skip = (text: string): void => report.add(new MillraceError('MILLRACE_USER_FUNCTION_FAILED', text));
  report.send(0);
  expect(events).toEqual([]);
  skip('first');
  report.send(0);
  for (let index = 0; index < 500; index++) {
    skip(`later ${String(index)}`);
    report.send(index);
  }
  expect(events).toHaveLength(1);
  report.send(1_000);
  expect(events).toMatchObject([
    { kind: 'record-skipped', worker: 2, count: 1, cause: { message: 'first' } },
    { kind: 'record-skipped', worker: 2, count: 500, cause: { message: 'later 499' } },
  ]);
  report.send(9_000);
  expect(events).toHaveLength(2);
});
