// oxlint-disable unicorn/no-thenable -- a statement of a case has a field of that name
import { describe, expect, it } from 'vitest';
import type { Item, Json, JsonObject, OperatorConfig } from '../../tools/conformance/case-format.js';
import { CaseRunner } from '../../tools/conformance/case-runner.js';

/**
 * What the recorded cases leave out. The outputs here were worked out by hand from the code of Flink's operators, one step
 * at a time: each test says which rule it rests on.
 */

type Script = readonly Omit<Item, 'seq'>[];

/** Runs a script, and gives its outputs as `step value@timestamp`, `step tag:value@timestamp` or `step ~watermark`. */
function run(operators: OperatorConfig | readonly OperatorConfig[], ...scripts: readonly Script[]): string[] {
  let seq = 0;
  const longest = Math.max(...scripts.map((script) => script.length));
  const inputs = scripts.map((_, index) => ({
    name: `in${String(index)}`,
    input: (index + 1) as 1 | 2,
    items: [] as Item[],
  }));
  for (let at = 0; at < longest; at++) {
    for (const [index, script] of scripts.entries()) {
      const item = script[at];
      if (item !== undefined) inputs[index]?.items.push({ ...item, seq: ++seq });
    }
  }
  const dataflow = { operators: [operators].flat() };
  const result = new CaseRunner({ name: 'reasoned', dataflow, inputs }).run();
  return result.outputs.map((output) => {
    if (output.watermark !== undefined) return `${String(output.seq)} ~${String(output.watermark)}`;
    if (output.status !== undefined) return `${String(output.seq)} ${output.status}`;
    const tag = output.tag === undefined ? '' : `${output.tag}:`;
    const ts = output.ts === null || output.ts === 'MIN' || output.ts === undefined ? '' : `@${String(output.ts)}`;
    return `${String(output.seq)} ${tag}${JSON.stringify(output.value)}${ts}`;
  });
}

const withoutWatermarks = (lines: readonly string[]): string[] => lines.filter((line) => !line.includes(' ~'));

const element = (value: Json, ts?: number): Omit<Item, 'seq'> => (ts === undefined ? { value } : { value, ts });
const v = (k: string, amount: number, ts: number): Omit<Item, 'seq'> => element({ k, v: amount }, ts);
const watermark = (time: number): Omit<Item, 'seq'> => ({ watermark: time });
const clock = (time: number): Omit<Item, 'seq'> => ({ processingTime: time });
const checkpoint = (id: string): Omit<Item, 'seq'> => ({ checkpoint: id });
const restore = (id: string, parallelism?: number): Omit<Item, 'seq'> => ({
  restore: id,
  ...(parallelism === undefined ? {} : { parallelism }),
});

function window(config: JsonObject): OperatorConfig {
  const sum = { type: 'aggregate', agg: 'sum', field: 'v' };
  return { operator: 'window', keyBy: 'k', keyType: 'string', function: sum, ...config };
}

/** The field `v` of a window's records, in order. */
const collect = { type: 'aggregate', agg: 'collect', field: 'v' };

function keyedProcess(config: JsonObject): OperatorConfig {
  return { operator: 'keyedProcess', keyBy: 'k', keyType: 'string', ...config };
}

describe('windows', () => {
  it('of size below the slide drop what falls between them, and count it only when it is late', () => {
    const gaps = window({ window: { type: 'slidingEventTime', size: 3, slide: 10 }, lateOutput: 'late' });
    const script = [v('a', 1, 1), v('a', 2, 5), watermark(5), v('a', 4, 5), v('a', 8, 9), watermark(20)];
    // 5 lies in no window: silent before the watermark has passed it, late from then on.
    expect(withoutWatermarks(run(gaps, script))).toEqual(['3 1@2', '4 late:{"k":"a","v":4}@5']);
  });

  it('of sessions keep the counts of a count trigger when they merge, and fire at the next record', () => {
    const sessions = window({ window: { type: 'eventTimeSession', gap: 10 }, trigger: { type: 'count', count: 3 } });
    // Two sessions with counts 1 and 2 become one with 3 and the record that joins them makes 4: it fires, once.
    const script = [v('a', 1, 0), v('a', 2, 20), v('a', 4, 21), v('a', 8, 10), v('a', 16, 12)];
    expect(run(sessions, script)).toEqual(['4 15@30']);
  });

  it('of sessions take the earliest next firing of a continuous trigger when they merge', () => {
    const trigger = { type: 'continuousEventTime', interval: 10 };
    const sessions = window({ window: { type: 'eventTimeSession', gap: 15 }, trigger });
    const script = [v('a', 1, 31), v('a', 2, 12), v('a', 4, 20), watermark(20), watermark(60)];
    // Sessions [31,46) and [12,27) would fire at 40 and 20; the merged one [12,46) fires at 20, 30, 40 and its end.
    expect(withoutWatermarks(run(sessions, script))).toEqual(['4 7@45', '5 7@45', '5 7@45', '5 7@45']);
  });

  it('that were purged keep their trigger state, and end without a result when nothing came since', () => {
    const trigger = { type: 'purging', inner: { type: 'count', count: 2 } };
    const tumbling = window({ window: { type: 'tumblingEventTime', size: 10 }, trigger });
    const script = [v('a', 1, 1), v('a', 2, 2), v('a', 4, 3), v('a', 8, 4), v('a', 16, 5), watermark(20)];
    expect(withoutWatermarks(run(tumbling, script))).toEqual(['2 3@9', '4 12@9']);
  });

  it('call clear at the cleanup time, after a firing of that moment, and keep global state', () => {
    const program = {
      type: 'process',
      states: { seen: { kind: 'value', scope: 'window' }, all: { kind: 'value', scope: 'global' } },
      process: [
        { update: 'seen', to: ['+', ['coalesce', ['state', 'seen'], 0], 1] },
        { update: 'all', to: ['+', ['coalesce', ['state', 'all'], 0], 1] },
        { emit: ['list', ['state', 'seen'], ['state', 'all'], ['len', '$elements']] },
      ],
      clear: [{ side: 'cleared', value: ['list', '$window.end', ['state', 'seen']] }, { clear: 'seen' }],
    };
    const config = { window: { type: 'tumblingEventTime', size: 10 }, allowedLateness: 5, function: program };
    const script = [
      v('a', 1, 1),
      watermark(9),
      v('a', 1, 2),
      watermark(14),
      v('a', 1, 3),
      v('a', 1, 12),
      watermark(30),
    ];
    expect(withoutWatermarks(run(window(config), script))).toEqual([
      '2 [1,1,1]@9',
      '3 [2,2,2]@9',
      '4 cleared:[10,2]@9',
      '7 [1,3,1]@19',
      '7 cleared:[20,1]@19',
    ]);
  });

  it('with an evictor give null for a reduce of nothing, and the evicted never come back', () => {
    const config = {
      window: { type: 'global' },
      trigger: { type: 'count', count: 2 },
      evictor: { type: 'count', count: 1, after: true },
      function: { type: 'reduce', reduce: 'sum', field: 'v' },
    };
    // After each firing only the last record stays: 1+2, then 2+4+8.
    const script = [v('a', 1, 1), v('a', 2, 2), v('a', 4, 3), v('a', 8, 4)];
    expect(run(window(config), script)).toEqual(['2 {"k":"a","v":3}@MAX', '4 {"k":"a","v":14}@MAX']);
    const none = { ...config, evictor: { type: 'count', count: 0 } };
    expect(run(window(none), script)).toEqual(['2 null@MAX', '4 null@MAX']);
  });

  it('with a delta trigger and a delta evictor compare with the last firing and with the last record', () => {
    const config = {
      window: { type: 'global' },
      trigger: { type: 'delta', field: 'v', threshold: 5 },
      evictor: { type: 'delta', field: 'v', threshold: 6 },
      function: { type: 'aggregate', agg: 'collect', field: 'v' },
    };
    // 0 is the first; 6 - 0 > 5 fires and evicts 0 (6 - 0 >= 6); 11 - 6 is not above 5; 12 - 6 is, and evicts 6.
    const script = [v('a', 0, 1), v('a', 6, 2), v('a', 11, 3), v('a', 12, 4)];
    expect(run(window(config), script)).toEqual(['2 [6]@MAX', '4 [11,12]@MAX']);
  });

  it('of sessions take in a record that would be late by itself, while the session it touches is kept', () => {
    const sessions = window({
      window: { type: 'eventTimeSession', gap: 10 },
      allowedLateness: 20,
      lateOutput: 'late',
      function: collect,
    });
    const script = [
      v('a', 1, 0),
      watermark(9),
      v('a', 2, 5),
      watermark(14),
      v('a', 3, 12),
      watermark(40),
      // Its own session [10,20) is over since 39; that of the others, [0,22), will be at 41.
      v('a', 4, 10),
      watermark(45),
      v('a', 5, 0),
    ];
    expect(withoutWatermarks(run(sessions, script))).toEqual([
      '2 [1]@9',
      '4 [1,2]@14',
      '6 [1,2,3]@21',
      '7 [1,2,3,4]@21',
      '9 late:{"k":"a","v":5}@0',
    ]);
  });

  it('that slide fire again for a late record in those of them that are kept, the latest window first', () => {
    const sliding = window({
      window: { type: 'slidingEventTime', size: 10, slide: 5 },
      allowedLateness: 3,
      lateOutput: 'late',
      function: collect,
    });
    const script = [
      v('a', 1, 6),
      watermark(9),
      v('a', 2, 7),
      watermark(12),
      v('a', 3, 8),
      watermark(14),
      v('a', 4, 6),
      watermark(17),
      v('a', 5, 6),
    ];
    expect(withoutWatermarks(run(sliding, script))).toEqual([
      '2 [1]@9',
      '3 [1,2]@9',
      '6 [1,2,3]@14',
      '7 [1,2,3,4]@14',
      '9 late:{"k":"a","v":5}@6',
    ]);
    const counted = { window: { type: 'slidingEventTime', size: 10, slide: 5 }, function: collect };
    const trigger = { type: 'purging', inner: { type: 'count', count: 2 } };
    const elements = [v('a', 1, 6), v('a', 2, 7), v('a', 3, 11), v('a', 4, 8), watermark(30)];
    expect(withoutWatermarks(run(window({ ...counted, trigger }), elements))).toEqual([
      '2 [1,2]@14',
      '2 [1,2]@9',
      '4 [3,4]@14',
    ]);
  });

  it('with a trigger of the other time domain end in their own', () => {
    const byClock = { window: { type: 'tumblingEventTime', size: 10 }, trigger: { type: 'processingTime' } };
    const script = [v('a', 1, 6), clock(9), v('a', 2, 7), watermark(9), v('a', 3, 12), watermark(30)];
    // The second record finds the clock at the end of the window; the third window ends before the clock comes to 19.
    expect(withoutWatermarks(run(window({ ...byClock, function: collect }), script))).toEqual(['2 [1]@9', '3 [1,2]@9']);
    const byEvents = { window: { type: 'tumblingProcessingTime', size: 10 }, trigger: { type: 'eventTime' } };
    const other = [v('a', 1, 6), watermark(9), v('a', 2, 7), clock(9), v('a', 3, 12), clock(12), watermark(30)];
    expect(withoutWatermarks(run(window({ ...byEvents, function: collect }), other))).toEqual([
      '2 [1]@9',
      '3 [1,2]@9',
      '5 [3]@9',
    ]);
    const endless = window({ window: { type: 'global' }, trigger: { type: 'eventTime' }, function: collect });
    const toTheEnd = [v('a', 1, 6), watermark(100), { watermark: 'MAX' } as const, v('a', 2, 7)];
    expect(withoutWatermarks(run(endless, toTheEnd))).toEqual(['3 [1]@MAX', '4 [1,2]@MAX']);
  });

  it('of the clock fire by a continuous trigger at its multiples and at their end, sessions with the earliest of both', () => {
    const trigger = { type: 'continuousProcessingTime', interval: 10 };
    const tumbling = window({ window: { type: 'tumblingProcessingTime', size: 25 }, trigger, function: collect });
    const element1 = (amount: number): Omit<Item, 'seq'> => element({ k: 'a', v: amount });
    const script = [clock(3), element1(1), clock(10), element1(2), clock(20), element1(3), clock(24), element1(4)];
    expect(run(tumbling, [...script, clock(60)])).toEqual([
      '3 [1]@24',
      '5 [1,2]@24',
      '7 [1,2,3]@24',
      // The window has ended at this very moment: another of the same bounds begins, and ends at once.
      '8 [4]@24',
    ]);
    const sessions = window({ window: { type: 'processingTimeSession', gap: 15 }, trigger, function: collect });
    const merging = [clock(3), element1(1), clock(12), element1(2), clock(20), element1(3), clock(34)];
    expect(run(sessions, merging)).toEqual(['3 [1]@17', '5 [1,2]@26', '7 [1,2,3]@34', '7 [1,2,3]@34']);
  });

  it('of event time that the clock has left behind fire once per record by a continuous trigger of the clock', () => {
    const trigger = { type: 'continuousProcessingTime', interval: 10 };
    const old = window({ window: { type: 'tumblingEventTime', size: 10 }, trigger, function: collect });
    const script = [clock(100), v('a', 1, 1), v('a', 2, 2), watermark(20)];
    expect(withoutWatermarks(run(old, script))).toEqual(['2 [1]@9', '3 [1,2]@9']);
  });

  it('of negative times lie on the same grid, and continuous triggers fire at its multiples', () => {
    const config = {
      window: { type: 'slidingEventTime', size: 10, slide: 4, offset: -1 },
      trigger: { type: 'continuousEventTime', interval: 3 },
      function: collect,
    };
    // -7 lies in [-9,1) and [-13,-3), -3 in [-5,5) and [-9,1).
    expect(withoutWatermarks(run(window(config), [v('a', 1, -7), v('a', 2, -3), watermark(0), watermark(10)]))).toEqual(
      ['3 [1]@-4', '3 [1,2]@0', '3 [1,2]@0', '3 [2]@4', '4 [2]@4', '4 [2]@4'],
    );
  });

  it('of the clock fire one by one when it jumps, each at its own end', () => {
    const config = { window: { type: 'slidingProcessingTime', size: 10, slide: 5 } };
    const script = [clock(12), element({ k: 'a', v: 1 }), clock(100)];
    expect(run(window(config), script)).toEqual(['3 1@14', '3 1@19']);
  });

  it('of sessions with a gap of the record merge by their own lengths', () => {
    const config = { window: { type: 'dynamicProcessingTimeSession', gapField: 'g' } };
    const script = [clock(10), element({ k: 'a', v: 1, g: 5 }), clock(12), element({ k: 'a', v: 2, g: 20 }), clock(40)];
    expect(run(window(config), script)).toEqual(['5 3@31']);
  });

  it('run custom triggers with timers of both domains, and delete those of merged sessions by clear', () => {
    const trigger = {
      type: 'custom',
      states: { n: { kind: 'reducing', reduce: 'sum' } },
      onElement: [
        { add: 'n', value: 1 },
        { eventTimer: '$window.maxTimestamp' },
        { when: ['==', ['state', 'n'], 3], then: [{ return: 'FIRE_AND_PURGE' }] },
      ],
      onEventTime: [{ when: ['==', '$timer', '$window.maxTimestamp'], then: [{ return: 'FIRE' }] }],
      onMerge: [{ mergeState: 'n' }, { eventTimer: '$window.maxTimestamp' }],
      clear: [{ clear: 'n' }, { deleteEventTimer: '$window.maxTimestamp' }],
    };
    const sessions = window({ window: { type: 'eventTimeSession', gap: 10 }, trigger });
    const script = [v('a', 1, 0), v('a', 2, 15), v('a', 4, 8), watermark(9), v('a', 8, 20), watermark(60)];
    expect(withoutWatermarks(run(sessions, script))).toEqual(['3 7@24', '6 8@29']);
  });

  it('with a time evictor that comes after the function go on with what it left', () => {
    const config = {
      window: { type: 'tumblingEventTime', size: 100 },
      allowedLateness: 50,
      evictor: { type: 'time', size: 10, after: true },
      function: collect,
    };
    const script = [v('a', 1, 0), v('a', 2, 95), watermark(99), v('a', 3, 50), v('a', 4, 99), watermark(150)];
    expect(withoutWatermarks(run(window(config), script))).toEqual(['3 [1,2]@99', '4 [2,3]@99', '5 [2,4]@99']);
  });

  it('purged by a custom trigger keep its state and its timers of both domains', () => {
    const trigger = {
      type: 'custom',
      states: { n: { kind: 'value' } },
      onElement: [
        { when: ['isNull', ['state', 'n']], then: [{ processingTimer: ['+', '$now', 5] }, { update: 'n', to: 1 }] },
        { when: ['==', '$value.v', 9], then: [{ return: 'PURGE' }] },
      ],
      onProcessingTime: [{ clear: 'n' }, { return: 'FIRE_AND_PURGE' }],
      onEventTime: [{ return: 'FIRE' }],
      clear: [{ clear: 'n' }],
    };
    const tumbling = window({ window: { type: 'tumblingEventTime', size: 10 }, trigger, function: collect });
    const script = [
      clock(1),
      v('a', 1, 0),
      clock(6),
      v('a', 2, 1),
      v('a', 9, 1),
      v('a', 3, 1),
      clock(11),
      v('a', 4, 2),
    ];
    // The timer of the clock outlives the window: at 20 nothing belongs to it any more.
    expect(withoutWatermarks(run(tumbling, [...script, watermark(9), clock(20)]))).toEqual([
      '3 [1]@9',
      '7 [3]@9',
      '9 [4]@9',
    ]);
  });

  it('grouped from two streams count and evict over both, fire again while late records are allowed, then drop them', () => {
    const pairs = [{ emit: ['list', ['pluck', '$left', 'v'], ['pluck', '$right', 'v']] }];
    const group = (config: JsonObject): OperatorConfig => ({
      operator: 'coGroup',
      keyBy: ['k', 'k'],
      keyType: 'string',
      window: { type: 'tumblingEventTime', size: 10 },
      process: pairs,
      ...config,
    });
    const left = [v('a', 1, 0), watermark(9), v('a', 3, 2), watermark(20), v('a', 9, 1)];
    const right = [v('a', 2, 1), watermark(9), v('a', 4, 3), watermark(20), v('a', 8, 1)];
    expect(withoutWatermarks(run(group({ allowedLateness: 5 }), left, right))).toEqual([
      '4 [[1],[2]]@9',
      '5 [[1,3],[2]]@9',
      '6 [[1,3],[2,4]]@9',
    ]);
    const evicting = group({ evictor: { type: 'count', count: 3 } });
    expect(
      withoutWatermarks(run(evicting, left.slice(0, 2), [...right.slice(0, 1), v('a', 6, 2), watermark(9)])),
    ).toEqual(['5 [[1],[2,6]]@9']);
    const counting = group({
      operator: 'windowJoin',
      trigger: { type: 'count', count: 3 },
      process: [{ emit: ['list', '$left.v', '$right.v'] }],
    });
    const lefts = [v('a', 1, 0), v('a', 5, 2), watermark(9)];
    expect(withoutWatermarks(run(counting, lefts, [v('a', 2, 1), v('a', 6, 2), watermark(9)]))).toEqual([
      '3 [1,2]@9',
      '3 [5,2]@9',
    ]);
  });

  it('joined by dynamic sessions and delta evictors look at the records, not at how they are tagged', () => {
    const join = {
      operator: 'windowJoin',
      keyBy: ['k', 'k'],
      keyType: 'string',
      window: { type: 'dynamicEventTimeSession', gapField: 'g' },
      process: [{ emit: ['list', '$left.v', '$right.v'] }],
    } as unknown as OperatorConfig;
    const left = [element({ k: 'a', v: 1, g: 10 }, 0), watermark(50)];
    const right = [element({ k: 'a', v: 2, g: 3 }, 9), watermark(50)];
    expect(withoutWatermarks(run(join, left, right))).toEqual(['4 [1,2]@11']);
  });
});

describe('process functions', () => {
  const timers = keyedProcess({
    processElement: [{ processingTimer: ['+', '$now', 10] }, { eventTimer: ['+', '$ts', 5] }],
    onTimer: [{ emit: ['list', '$timeDomain', '$timer', '$ts'] }, { side: 'also', value: '$timer' }],
  });

  it('emit from a clock timer without a timestamp, to a side output with that of the timer', () => {
    expect(run(timers, [clock(1), v('a', 1, 100), clock(20), watermark(105)])).toEqual([
      '3 ["PROCESSING_TIME",11,11]',
      '3 also:11@11',
      '4 ["EVENT_TIME",105,105]@105',
      '4 also:105@105',
      '4 ~105',
    ]);
  });

  it('fire a clock timer of the past in the step that registers it, and an event timer of the past at the next watermark', () => {
    const past = keyedProcess({
      processElement: [{ processingTimer: ['-', '$now', 10] }, { eventTimer: ['-', '$watermark', 10] }],
      onTimer: [{ emit: ['list', '$timeDomain', '$timer'] }],
    });
    expect(run(past, [clock(50), watermark(30), v('a', 1, 40), watermark(31)])).toEqual([
      '2 ~30',
      '3 ["PROCESSING_TIME",40]',
      '4 ["EVENT_TIME",20]@20',
      '4 ~31',
    ]);
  });

  it('of a pipeline see the new time one after another', () => {
    const first = keyedProcess({
      processElement: [{ processingTimer: 10 }],
      onTimer: [{ emit: { obj: { k: '$key', at: '$now' } } }],
    });
    const second = keyedProcess({ processElement: [{ emit: ['list', '$value.at', '$now'] }] });
    // The first operator's timer fires at 25; what it emits reaches the second before that one's clock is set.
    expect(run([first, second], [clock(5), element({ k: 'a' }), clock(25), element({ k: 'a' })])).toEqual([
      '3 [25,5]',
      '4 [25,25]',
    ]);
  });

  it('keep the timers of both domains over a restore at another parallelism, and fire those that are due at once', () => {
    const script = [clock(1), v('a', 1, 100), v('b', 1, 100), checkpoint('c'), clock(5), restore('c', 3), clock(11)];
    const outputs = run(timers, [...script, watermark(105)]).filter((line) => !line.includes('also'));
    expect(outputs.slice(0, 2)).toEqual(['7 ["PROCESSING_TIME",11,11]', '7 ["PROCESSING_TIME",11,11]']);
    expect(outputs.filter((line) => line.includes('EVENT_TIME'))).toHaveLength(2);
    const late = run(timers, [clock(1), v('a', 1, 100), checkpoint('c'), clock(10), restore('c')]);
    expect(late).toEqual([]);
    const due = run(timers, [clock(1), v('a', 1, 100), checkpoint('c'), clock(30), restore('c')]);
    // Fired once before the restore, and once more after it, in the very step of the restore.
    expect(due.filter((line) => !line.includes('also'))).toEqual([
      '4 ["PROCESSING_TIME",11,11]',
      '5 ["PROCESSING_TIME",11,11]',
    ]);
  });
});

describe('time to live', () => {
  const states = (kind: JsonObject, ttl: JsonObject, programs: readonly Json[]): OperatorConfig =>
    keyedProcess({ states: { s: { ...kind, ttl: { ms: 100, ...ttl } } }, processElement: programs });
  const op = (name: string, value: Json = null): Omit<Item, 'seq'> => element({ k: 'a', op: name, v: value });
  const either = (write: JsonObject, read: Json): readonly Json[] => [
    { when: ['==', '$value.op', 'w'], then: [write], else: [{ emit: read }] },
  ];

  it('of list items ends one by one; expired ones are shown until all are, where the configuration says so', () => {
    const programs = either({ add: 's', value: '$value.v' }, ['state', 's']);
    const script = [
      clock(1),
      op('w', 1),
      clock(51),
      op('w', 2),
      clock(101),
      op('r'),
      op('r'),
      clock(151),
      op('r'),
      op('r'),
    ];
    expect(run(states({ kind: 'list' }, {}, programs), script)).toEqual(['6 [2]', '7 [2]', '9 []', '10 []']);
    const shown = states({ kind: 'list' }, { visibility: 'ReturnExpiredIfNotCleanedUp' }, programs);
    expect(run(shown, script)).toEqual(['6 [1,2]', '7 [1,2]', '9 [1,2]', '10 []']);
  });

  it('of map entries ends one by one, and isEmpty does not look at it', () => {
    const programs = either({ put: 's', k: '$value.v', v: 1 }, [
      'list',
      ['mapIsEmpty', 's'],
      ['mapHas', 's', 'x'],
      ['mapEntries', 's'],
      ['mapIsEmpty', 's'],
    ]);
    const script = [clock(1), op('w', 'x'), clock(101), op('r')];
    expect(run(states({ kind: 'map' }, {}, programs), script)).toEqual(['4 [false,false,[],true]']);
  });

  it('starts anew with each read where the configuration says so, of reducing state too', () => {
    const programs = either({ add: 's', value: '$value.v' }, ['state', 's']);
    const reducing = states({ kind: 'reducing', reduce: 'sum' }, { updateType: 'OnReadAndWrite' }, programs);
    const script = [clock(1), op('w', 1), clock(91), op('r'), clock(190), op('r'), clock(290), op('r')];
    expect(run(reducing, script)).toEqual(['4 1', '6 1', '8 null']);
  });

  it('of map entries that have ended is seen once where the configuration says so; reading renews where it does', () => {
    const programs = [
      {
        when: ['==', '$value.op', 'w'],
        then: [{ put: 's', k: '$value.v', v: 1 }],
        else: [{ emit: ['list', ['mapHas', 's', 'x'], ['mapHas', 's', 'x'], ['mapEntries', 's']] }],
      },
    ];
    const script = [clock(1), op('w', 'x'), clock(50), op('w', 'y'), clock(101), op('r')];
    const shown = states({ kind: 'map' }, { visibility: 'ReturnExpiredIfNotCleanedUp' }, programs);
    expect(run(shown, script)).toEqual(['6 [true,false,[["y",1]]]']);
    const renewed = states({ kind: 'map' }, { updateType: 'OnReadAndWrite' }, programs);
    const read = [clock(1), op('w', 'x'), clock(50), op('r'), clock(149), op('r'), clock(249), op('r')];
    expect(run(renewed, read)).toEqual(['4 [true,true,[["x",1]]]', '6 [true,true,[["x",1]]]', '8 [false,false,[]]']);
  });

  it('of list items that is renewed by reading drops what has ended, and shows it a last time where it may', () => {
    const programs = either({ add: 's', value: '$value.v' }, ['state', 's']);
    const ttl = { updateType: 'OnReadAndWrite', visibility: 'ReturnExpiredIfNotCleanedUp' };
    const script = [
      clock(1),
      op('w', 1),
      clock(50),
      op('w', 2),
      clock(101),
      op('r'),
      op('r'),
      clock(201),
      op('r'),
      op('r'),
    ];
    expect(run(states({ kind: 'list' }, ttl, programs), script)).toEqual(['6 [1,2]', '7 [2]', '9 [2]', '10 []']);
  });

  it('of an aggregate begins a new accumulator after the end, and is part of a snapshot', () => {
    const programs = either({ add: 's', value: '$value.v' }, ['state', 's']);
    const sum = states({ kind: 'aggregating', agg: 'sum' }, {}, programs);
    const script = [
      clock(1),
      op('w', 1),
      checkpoint('c'),
      clock(60),
      op('w', 2),
      restore('c'),
      op('r'),
      clock(101),
      op('w', 5),
      op('r'),
    ];
    expect(run(sum, script)).toEqual(['7 1', '10 5']);
  });
});

describe('values', () => {
  it('of a map may be null, and are there then', () => {
    const nulls = keyedProcess({
      states: { s: { kind: 'map' } },
      processElement: [{ put: 's', k: 'x', v: null }, { emit: ['list', ['mapHas', 's', 'x'], ['mapGet', 's', 'x']] }],
    });
    expect(run(nulls, [element({ k: 'a' })])).toEqual(['1 [true,null]']);
  });
});

describe('joins by interval', () => {
  it('move a strict bound by one, and send late records to their side', () => {
    const join = {
      operator: 'intervalJoin',
      keyBy: ['k', 'k'],
      keyType: 'string',
      lower: -2,
      upper: 2,
      lowerExclusive: true,
      upperExclusive: true,
      lateOutputLeft: 'lateLeft',
      process: [{ emit: ['list', '$leftTs', '$rightTs'] }, { side: 'pair', value: '$ts' }],
    } as unknown as OperatorConfig;
    const left = [v('a', 1, 10), watermark(20), v('a', 1, 19)];
    const right = [v('a', 1, 12), watermark(20), v('a', 1, 11), v('a', 1, 20)];
    const outputs = withoutWatermarks(run(join, left, right));
    // 12 is two away, and the bound is strict; 11 comes behind the watermark and has no late output.
    expect(outputs).toEqual(['5 lateLeft:{"k":"a","v":1}@19']);
    const inTime = [v('a', 1, 11)];
    expect(withoutWatermarks(run(join, [v('a', 1, 10)], inTime))).toEqual(['2 [10,11]@11', '2 pair:11@11']);
  });
});

describe('two inputs', () => {
  const both = {
    operator: 'keyedCoProcess',
    keyBy: ['k', 'k'],
    keyType: 'string',
    processElement1: [{ eventTimer: '$ts' }],
    processElement2: [],
    onTimer: [{ emit: ['list', '$timer', '$watermark'] }],
  } as unknown as OperatorConfig;
  const idle: Omit<Item, 'seq'> = { status: 'IDLE' };
  const active: Omit<Item, 'seq'> = { status: 'ACTIVE' };

  it('advance by the one that is not idle; one that turns active counts at once, and holds back what is not yet out', () => {
    const first = [v('a', 1, 5), watermark(10), watermark(20), idle, active, watermark(30)];
    const second = [watermark(3), idle, active, watermark(15), idle, watermark(16)];
    expect(run(both, first, second)).toEqual(['3 ~3', '4 [5,10]@5', '4 ~10', '5 ~20', '11 ~30']);
  });

  it('are idle when both are, without the greatest of their watermarks, which the channels of one input would give', () => {
    const first = [watermark(10), idle, watermark(11), active, watermark(30)];
    const second = [watermark(3), idle, active, watermark(40), watermark(50)];
    expect(run(both, first, second)).toEqual(['2 ~3', '4 IDLE', '6 ACTIVE', '8 ~10', '9 ~30']);
  });
});

describe('asynchronous requests', () => {
  const requests = (mode: string): OperatorConfig => ({ operator: 'asyncIO', mode, timeout: 100, capacity: 10 });
  const asked = (id: string, ts: number): Omit<Item, 'seq'> => element({ id }, ts);
  const done = (id: string, ...result: Json[]): Omit<Item, 'seq'> => ({ complete: id, result });

  it('that time out are answered in their place, and what comes afterwards is nothing', () => {
    const script = [
      clock(5),
      asked('a', 1),
      clock(50),
      asked('b', 2),
      watermark(3),
      done('b', 'B'),
      clock(105),
      done('a', 'A'),
    ];
    expect(run(requests('ordered'), script)).toEqual(['7 {"timedOut":{"id":"a"}}@1', '7 "B"@2', '7 ~3']);
    expect(run(requests('unordered'), script)).toEqual(['6 "B"@2', '7 {"timedOut":{"id":"a"}}@1', '7 ~3']);
  });

  it('start anew after a restore, those as well whose answer had come and could not leave, with their time', () => {
    const script = [
      clock(5),
      asked('a', 1),
      asked('b', 2),
      done('b', 'B'),
      watermark(5),
      asked('c', 7),
      done('c', 'C'),
    ];
    const after = [checkpoint('x'), done('a', 'A'), clock(60), restore('x'), done('a', 'A2'), done('c', 'C2')];
    const ordered = run(requests('ordered'), [...script, ...after, clock(160)]);
    expect(ordered.filter((line) => Number(line.split(' ')[0]) > 11)).toEqual([
      '12 "A2"@1',
      '14 {"timedOut":{"id":"b"}}@2',
      '14 ~5',
      '14 "C2"@7',
    ]);
    // Without an order b has left before the snapshot; c waits behind the watermark.
    const unordered = run(requests('unordered'), [...script, ...after]);
    expect(unordered).toEqual(['4 "B"@2', '9 "A"@1', '9 ~5', '9 "C"@7', '12 "A2"@1', '12 ~5', '13 "C2"@7']);
  });
});

describe('watermark strategies', () => {
  it('that know idleness count it anew after each record, and become active with a watermark, not with a record', () => {
    const assigner = {
      operator: 'assignTimestampsAndWatermarks',
      strategy: { type: 'boundedOutOfOrderness', delay: 3, idleness: 25 },
      autoWatermarkInterval: 10,
    } as unknown as OperatorConfig;
    const silence = (from: number): Script => [0, 10, 20, 30, 40].map((later) => clock(from + later));
    const script = [v('a', 5, 50), ...silence(10), v('a', 5, 40), ...silence(60), v('a', 5, 70), clock(110)];
    expect(run(assigner, script)).toEqual([
      '1 {"k":"a","v":5}@50',
      '2 ~46',
      '6 IDLE',
      '7 {"k":"a","v":5}@40',
      '13 {"k":"a","v":5}@70',
      '14 ACTIVE',
      '14 ~66',
    ]);
  });

  it('that are punctuated emit after the record, and are never marked by records that carry none', () => {
    const assigner = {
      operator: 'assignTimestampsAndWatermarks',
      strategy: { type: 'punctuated', watermarkField: 'w', timestampField: 't', idleness: 15 },
      autoWatermarkInterval: 10,
    } as unknown as OperatorConfig;
    const script = [
      element({ t: 5, w: 4 }),
      element({ t: 6 }),
      element({ t: 7, w: 3 }),
      clock(10),
      clock(20),
      clock(30),
      clock(40),
      element({ t: 9, w: 8 }),
    ];
    expect(run(assigner, script)).toEqual([
      '1 {"t":5,"w":4}@5',
      '1 ~4',
      '2 {"t":6}@6',
      '3 {"t":7,"w":3}@7',
      // At 10 there was activity; inactive from 20 on; 20 ms, more than 15, at 40.
      '7 IDLE',
      '8 {"t":9,"w":8}@9',
      '8 ACTIVE',
      '8 ~8',
    ]);
  });
});
