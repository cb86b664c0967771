import { CountEvictor, DeltaEvictor, TimeEvictor } from '../../dist/api/evictors.js';
import type { Evictor } from '../../dist/api/evictors.js';
import type { Collector, KeySelector } from '../../dist/api/functions.js';
import { Trigger } from '../../dist/api/trigger.js';
import type { OnMergeContext, TriggerContext, TriggerResult } from '../../dist/api/trigger.js';
import {
  ContinuousEventTimeTrigger,
  ContinuousProcessingTimeTrigger,
  CountTrigger,
  DeltaTrigger,
  EventTimeTrigger,
  ProcessingTimeTrigger,
  PurgingTrigger,
} from '../../dist/api/triggers.js';
import type { WindowAssigner } from '../../dist/api/window-assigner.js';
import {
  EventTimeSessionWindows,
  GlobalWindows,
  ProcessingTimeSessionWindows,
  SlidingEventTimeWindows,
  SlidingProcessingTimeWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
} from '../../dist/api/window-assigners.js';
import { ProcessAllWindowFunction, ProcessWindowFunction } from '../../dist/api/window-function.js';
import type { ProcessWindowContext } from '../../dist/api/window-function.js';
import type { Window } from '../../dist/api/windows.js';
import type { StreamOperator } from '../../dist/operators/operator.js';
import { createOperator } from '../../dist/operators/operator-factory.js';
import type { WindowAggregation } from '../../dist/operators/windows/window-contents.js';
import type { Json, JsonObject, OperatorConfig } from './case-format.js';
import type { Variables } from './expressions.js';
import {
  aggregateFunction,
  fieldOf,
  openState,
  programHost,
  reduceFunction,
  stateDescriptors,
  tagOf,
} from './functions.js';
import { runProgram } from './program.js';

type AnyAssigner = WindowAssigner<unknown, Window>;
type AnyTrigger = Trigger<unknown>;

/** Takes the value out of a record that carries more. */
type Unwrap = (record: unknown) => unknown;

const itself: Unwrap = (record) => record;

export function assignerOf(config: JsonObject, unwrap: Unwrap = itself): AnyAssigner {
  const size = config['size'] as number;
  const slide = config['slide'] as number;
  const offset = (config['offset'] as number | undefined) ?? 0;
  const gap = config['gap'] as number;
  const dynamicGap = (record: unknown): number => fieldOf(unwrap(record), config['gapField'] as string) as number;
  switch (config['type']) {
    case 'tumblingEventTime':
      return TumblingEventTimeWindows.of(size, offset);
    case 'tumblingProcessingTime':
      return TumblingProcessingTimeWindows.of(size, offset);
    case 'slidingEventTime':
      return SlidingEventTimeWindows.of(size, slide, offset);
    case 'slidingProcessingTime':
      return SlidingProcessingTimeWindows.of(size, slide, offset);
    case 'eventTimeSession':
      return EventTimeSessionWindows.withGap(gap);
    case 'processingTimeSession':
      return ProcessingTimeSessionWindows.withGap(gap);
    case 'dynamicEventTimeSession':
      return EventTimeSessionWindows.withDynamicGap(dynamicGap) as AnyAssigner;
    case 'dynamicProcessingTimeSession':
      return ProcessingTimeSessionWindows.withDynamicGap(dynamicGap) as AnyAssigner;
    case 'global':
      return GlobalWindows.create();
    default:
      throw new Error(`the window ${JSON.stringify(config['type'])} is not known`);
  }
}

function deltaOf(field: string, unwrap: Unwrap): (earlier: unknown, later: unknown) => number {
  return (earlier, later) => (fieldOf(unwrap(later), field) as number) - (fieldOf(unwrap(earlier), field) as number);
}

function triggerOf(config: JsonObject, unwrap: Unwrap): AnyTrigger {
  const interval = config['interval'] as number;
  switch (config['type']) {
    case 'eventTime':
      return EventTimeTrigger.create();
    case 'processingTime':
      return ProcessingTimeTrigger.create();
    case 'count':
      return CountTrigger.of(config['count'] as number);
    case 'purging':
      return PurgingTrigger.of(triggerOf(config['inner'] as JsonObject, unwrap));
    case 'continuousEventTime':
      return ContinuousEventTimeTrigger.of(interval);
    case 'continuousProcessingTime':
      return ContinuousProcessingTimeTrigger.of(interval);
    case 'delta':
      return DeltaTrigger.of(config['threshold'] as number, deltaOf(config['field'] as string, unwrap));
    case 'custom':
      return new ProgramTrigger(config, unwrap);
    default:
      throw new Error(`the trigger ${JSON.stringify(config['type'])} is not known`);
  }
}

function evictorOf(config: JsonObject, unwrap: Unwrap): Evictor<unknown> {
  const options = { doEvictAfter: config['after'] === true };
  switch (config['type']) {
    case 'count':
      return CountEvictor.of(config['count'] as number, options);
    case 'time':
      return TimeEvictor.of(config['size'] as number, options);
    case 'delta':
      return DeltaEvictor.of(config['threshold'] as number, deltaOf(config['field'] as string, unwrap), options);
    default:
      throw new Error(`the evictor ${JSON.stringify(config['type'])} is not known`);
  }
}

function windowVariable(window: Window): Variables {
  const maxTimestamp = window.maxTimestamp();
  return window.kind === 'global' ? { maxTimestamp } : { start: window.start, end: window.end, maxTimestamp };
}

/** A trigger whose reactions are programs. */
class ProgramTrigger extends Trigger<unknown> {
  readonly #config: JsonObject;
  readonly #unwrap: Unwrap;
  readonly #states: ReturnType<typeof stateDescriptors>;

  constructor(config: JsonObject, unwrap: Unwrap) {
    super();
    this.#config = config;
    this.#unwrap = unwrap;
    this.#states = stateDescriptors(config['states']);
  }

  onElement(value: unknown, timestamp: number, window: Window, context: TriggerContext): TriggerResult {
    return this.#run('onElement', window, context, {
      value: this.#unwrap(value),
      ts: timestamp === -Infinity ? null : timestamp,
    });
  }

  onEventTime(timestamp: number, window: Window, context: TriggerContext): TriggerResult {
    return this.#run('onEventTime', window, context, { timer: timestamp });
  }

  onProcessingTime(timestamp: number, window: Window, context: TriggerContext): TriggerResult {
    return this.#run('onProcessingTime', window, context, { timer: timestamp });
  }

  clear(window: Window, context: TriggerContext): void {
    this.#run('clear', window, context, {});
  }

  override canMerge(): boolean {
    return 'onMerge' in this.#config;
  }

  override onMerge(window: Window, context: OnMergeContext): void {
    this.#run('onMerge', window, context, {}, (name) => {
      context.mergePartitionedState(this.#descriptor(name) as never);
    });
  }

  #run(
    program: string,
    window: Window,
    context: TriggerContext,
    variables: Variables,
    mergeState?: (name: string) => void,
  ): TriggerResult {
    const all: Variables = {
      ...variables,
      window: windowVariable(window),
      watermark: context.getCurrentWatermark(),
      now: context.getCurrentProcessingTime(),
    };
    const host = programHost({
      state: (name) => openState(context, this.#descriptor(name)),
      timers: context,
      ...(mergeState === undefined ? {} : { mergeState }),
    });
    return (runProgram(this.#config[program], all, host) ?? 'CONTINUE') as TriggerResult;
  }

  #descriptor(
    name: string,
  ): ReturnType<typeof stateDescriptors> extends Map<string, { descriptor: infer D }> ? D : never {
    const state = this.#states.get(name);
    if (state === undefined) throw new Error(`the trigger state "${name}" is not declared`);
    return state.descriptor;
  }
}

/** Runs the programs of a window function. */
class WindowPrograms {
  readonly #config: JsonObject;
  readonly #states: ReturnType<typeof stateDescriptors>;

  constructor(config: JsonObject) {
    this.#config = config;
    this.#states = stateDescriptors(config['states']);
  }

  /** Without a program of its own, a window gives its contents as they are. */
  process(
    context: ProcessWindowContext<Window>,
    variables: Variables & { readonly elements: readonly unknown[] },
    out: Collector<unknown>,
  ): void {
    if (this.#config['process'] === undefined) for (const element of variables.elements) out.collect(element);
    else this.run('process', context, variables, out);
  }

  run(
    program: string,
    context: ProcessWindowContext<Window>,
    variables: Variables,
    out: Collector<unknown> | null,
  ): void {
    const all: Variables = {
      ...variables,
      window: windowVariable(context.window()),
      watermark: context.currentWatermark(),
      now: context.currentProcessingTime(),
    };
    const host = programHost({
      ...(out === null ? {} : { emit: (value: unknown) => out.collect(value) }),
      side: (tag, value) => context.output(tagOf(tag), value),
      state: (name) => {
        const state = this.#states.get(name);
        if (state === undefined) throw new Error(`the state "${name}" is not declared`);
        const store = state.scope === 'window' ? context.windowState() : context.globalState();
        return openState(store, state.descriptor);
      },
    });
    runProgram(this.#config[program], all, host);
  }
}

class ProgramWindowFunction extends ProcessWindowFunction<unknown, unknown, unknown> {
  readonly #programs: WindowPrograms;

  constructor(config: JsonObject) {
    super();
    this.#programs = new WindowPrograms(config);
  }

  process(
    key: unknown,
    context: ProcessWindowContext<Window>,
    elements: readonly unknown[],
    out: Collector<unknown>,
  ): void {
    this.#programs.process(context, { key, elements }, out);
  }

  override clear(context: ProcessWindowContext<Window>): void {
    this.#programs.run('clear', context, {}, null);
  }
}

class ProgramAllWindowFunction extends ProcessAllWindowFunction<unknown, unknown> {
  readonly #programs: WindowPrograms;

  constructor(config: JsonObject) {
    super();
    this.#programs = new WindowPrograms(config);
  }

  process(context: ProcessWindowContext<Window>, elements: readonly unknown[], out: Collector<unknown>): void {
    this.#programs.process(context, { elements }, out);
  }

  override clear(context: ProcessWindowContext<Window>): void {
    this.#programs.run('clear', context, {}, null);
  }
}

function aggregationOf(config: JsonObject): WindowAggregation<unknown> {
  const field = (config['field'] as string | undefined) ?? null;
  switch (config['type']) {
    case 'reduce':
      return { kind: 'reduce', reduce: reduceFunction(config['reduce'] as string, field) };
    case 'aggregate':
      return { kind: 'aggregate', aggregate: aggregateFunction(config['agg'] as string, field) };
    default:
      return null;
  }
}

/**
 * A window or windowAll operator of a case: the one that a job would get, which may be one that costs less than the general
 * operator and is to give the same.
 */
function createWindowOperator(
  config: OperatorConfig,
  key: KeySelector<unknown, unknown>,
  fn: ProcessWindowFunction<unknown, unknown, unknown> | ProcessAllWindowFunction<unknown, unknown> | null,
  aggregation: WindowAggregation<unknown>,
  unwrap: Unwrap = itself,
): StreamOperator<unknown, unknown> {
  const assigner = assignerOf(config['window'] as JsonObject, unwrap);
  const trigger =
    config['trigger'] === undefined ? assigner.defaultTrigger() : triggerOf(config['trigger'] as JsonObject, unwrap);
  const lateOutput = config['lateOutput'] as string | undefined;
  const evictor = config['evictor'] as JsonObject | undefined;
  const spec = {
    kind: 'window',
    key,
    assigner,
    trigger,
    evictor: evictor === undefined ? null : evictorOf(evictor, unwrap),
    allowedLatenessMs: (config['allowedLateness'] as number | undefined) ?? 0,
    lateTag: lateOutput === undefined ? null : tagOf(lateOutput),
    aggregation,
    fn,
  } as const;
  return createOperator(spec, { writeLine: () => undefined }) as StreamOperator<unknown, unknown>;
}

export function createWindowOperatorOf(
  config: OperatorConfig,
  key: KeySelector<unknown, unknown>,
): StreamOperator<unknown, unknown> {
  const fn = config['function'] as JsonObject;
  const isAll = config.operator === 'windowAll';
  const needsFunction = fn['process'] !== undefined || fn['clear'] !== undefined;
  const create = (): ProgramWindowFunction | ProgramAllWindowFunction =>
    isAll ? new ProgramAllWindowFunction(fn) : new ProgramWindowFunction(fn);
  return createWindowOperator(config, key, needsFunction ? create() : null, aggregationOf(fn));
}

/** A record of one of two streams that a window join puts into one. */
export interface Tagged {
  readonly side: 1 | 2;
  readonly value: unknown;
}

/** Joins or groups the records of both sides of a window. */
class ProgramCoGroupFunction extends ProcessWindowFunction<unknown, unknown, unknown> {
  readonly #program: Json | undefined;
  readonly #isJoin: boolean;

  constructor(config: OperatorConfig) {
    super();
    this.#program = config['process'];
    this.#isJoin = config.operator === 'windowJoin';
  }

  process(
    _key: unknown,
    _context: ProcessWindowContext<Window>,
    elements: readonly unknown[],
    out: Collector<unknown>,
  ): void {
    const tagged = elements as readonly Tagged[];
    const lefts = tagged.filter(({ side }) => side === 1).map(({ value }) => value);
    const rights = tagged.filter(({ side }) => side === 2).map(({ value }) => value);
    const host = programHost({ emit: (value) => out.collect(value) });
    if (!this.#isJoin) {
      runProgram(this.#program, { left: lefts, right: rights }, host);
      return;
    }
    for (const left of lefts) for (const right of rights) runProgram(this.#program, { left, right }, host);
  }
}

export function createCoGroupOperator(
  config: OperatorConfig,
  key: KeySelector<unknown, unknown>,
): StreamOperator<unknown, unknown> {
  return createWindowOperator(
    config,
    key,
    new ProgramCoGroupFunction(config),
    null,
    (record) => (record as Tagged).value,
  );
}
