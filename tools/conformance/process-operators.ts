import { KeyedBroadcastProcessFunction } from '../../dist/api/broadcast-functions.js';
import type { KeyedBroadcastContext, KeyedBroadcastReadContext } from '../../dist/api/broadcast-functions.js';
import { CoProcessFunction, KeyedCoProcessFunction } from '../../dist/api/co-functions.js';
import type {
  CheckpointedFunction,
  FunctionInitializationContext,
  OperatorListState,
} from '../../dist/api/checkpointed-function.js';
import type { Collector, RuntimeContext } from '../../dist/api/functions.js';
import { ProcessJoinFunction } from '../../dist/api/join-functions.js';
import type { ProcessJoinContext } from '../../dist/api/join-functions.js';
import { mapState } from '../../dist/api/keyed-state.js';
import { KeyedProcessFunction, ProcessFunction } from '../../dist/api/process-function.js';
import type { KeyedProcessContext, OnTimerContext, ProcessContext } from '../../dist/api/process-function.js';
import type { Json, OperatorConfig } from './case-format.js';
import { toJson } from './case-format.js';
import { openState, programHost, stateDescriptors, tagOf } from './functions.js';
import type { Trace } from './functions.js';
import type { Variables } from './expressions.js';
import { runProgram } from './program.js';
import type { StateHandle } from './program.js';

/** Opened states of an operator's configuration, by name. */
class States {
  readonly #config: OperatorConfig;
  readonly #open = new Map<string, StateHandle>();

  constructor(config: OperatorConfig) {
    this.#config = config;
  }

  open(runtime: RuntimeContext): void {
    for (const [name, { descriptor }] of stateDescriptors(this.#config['states'])) {
      this.#open.set(name, openState(runtime, descriptor));
    }
  }

  get(name: string): StateHandle {
    const state = this.#open.get(name);
    if (state === undefined) throw new Error(`the state "${name}" is not declared`);
    return state;
  }
}

function recordVariables(value: unknown, context: ProcessContext): Variables {
  const timers = context.timerService();
  return { value, ts: context.timestamp(), watermark: timers.currentWatermark(), now: timers.currentProcessingTime() };
}

function timerVariables(timestamp: number, context: OnTimerContext<unknown>): Variables {
  return {
    timer: timestamp,
    ts: context.timestamp(),
    timeDomain: context.timeDomain(),
    key: context.getCurrentKey(),
    watermark: context.timerService().currentWatermark(),
    now: context.timerService().currentProcessingTime(),
  };
}

function keylessHost(context: ProcessContext, out: Collector<unknown>): ReturnType<typeof programHost> {
  return programHost({
    emit: (value) => out.collect(value),
    side: (tag, value) => context.output(tagOf(tag), value),
  });
}

function keyedHost(context: ProcessContext, out: Collector<unknown>, states: States): ReturnType<typeof programHost> {
  return programHost({
    emit: (value) => out.collect(value),
    side: (tag, value) => context.output(tagOf(tag), value),
    state: (name) => states.get(name),
    timers: context.timerService(),
  });
}

export class ProgramProcessFunction extends ProcessFunction<unknown, unknown> {
  readonly #config: OperatorConfig;

  constructor(config: OperatorConfig) {
    super();
    this.#config = config;
  }

  processElement(value: unknown, context: ProcessContext, out: Collector<unknown>): void {
    runProgram(this.#config['process'], recordVariables(value, context), keylessHost(context, out));
  }
}

export class ProgramCoProcessFunction extends CoProcessFunction<unknown, unknown, unknown> {
  readonly #config: OperatorConfig;

  constructor(config: OperatorConfig) {
    super();
    this.#config = config;
  }

  processElement1(value: unknown, context: ProcessContext, out: Collector<unknown>): void {
    runProgram(this.#config['processElement1'], recordVariables(value, context), keylessHost(context, out));
  }

  processElement2(value: unknown, context: ProcessContext, out: Collector<unknown>): void {
    runProgram(this.#config['processElement2'], recordVariables(value, context), keylessHost(context, out));
  }
}

export class ProgramKeyedProcessFunction extends KeyedProcessFunction<unknown, unknown, unknown> {
  readonly #config: OperatorConfig;
  readonly #states: States;

  constructor(config: OperatorConfig) {
    super();
    this.#config = config;
    this.#states = new States(config);
  }

  override open(runtime: RuntimeContext): void {
    this.#states.open(runtime);
  }

  processElement(value: unknown, context: KeyedProcessContext<unknown>, out: Collector<unknown>): void {
    const variables = { ...recordVariables(value, context), key: context.getCurrentKey() };
    runProgram(this.#config['processElement'], variables, keyedHost(context, out, this.#states));
  }

  override onTimer(timestamp: number, context: OnTimerContext<unknown>, out: Collector<unknown>): void {
    runProgram(this.#config['onTimer'], timerVariables(timestamp, context), keyedHost(context, out, this.#states));
  }
}

export class ProgramKeyedCoProcessFunction extends KeyedCoProcessFunction<unknown, unknown, unknown, unknown> {
  readonly #config: OperatorConfig;
  readonly #states: States;

  constructor(config: OperatorConfig) {
    super();
    this.#config = config;
    this.#states = new States(config);
  }

  override open(runtime: RuntimeContext): void {
    this.#states.open(runtime);
  }

  processElement1(value: unknown, context: KeyedProcessContext<unknown>, out: Collector<unknown>): void {
    const variables = { ...recordVariables(value, context), key: context.getCurrentKey() };
    runProgram(this.#config['processElement1'], variables, keyedHost(context, out, this.#states));
  }

  processElement2(value: unknown, context: KeyedProcessContext<unknown>, out: Collector<unknown>): void {
    const variables = { ...recordVariables(value, context), key: context.getCurrentKey() };
    runProgram(this.#config['processElement2'], variables, keyedHost(context, out, this.#states));
  }

  override onTimer(timestamp: number, context: OnTimerContext<unknown>, out: Collector<unknown>): void {
    runProgram(this.#config['onTimer'], timerVariables(timestamp, context), keyedHost(context, out, this.#states));
  }
}

export class ProgramBroadcastFunction extends KeyedBroadcastProcessFunction<unknown, unknown, unknown, unknown> {
  readonly #config: OperatorConfig;
  readonly #states: States;

  constructor(config: OperatorConfig) {
    super();
    this.#config = config;
    this.#states = new States(config);
  }

  override open(runtime: RuntimeContext): void {
    this.#states.open(runtime);
  }

  processElement(value: unknown, context: KeyedBroadcastReadContext<unknown>, out: Collector<unknown>): void {
    const variables = { ...recordVariables(value, context), key: context.getCurrentKey() };
    runProgram(this.#config['processElement'], variables, this.#readHost(context, out));
  }

  override onTimer(
    timestamp: number,
    context: OnTimerContext<unknown> & KeyedBroadcastReadContext<unknown>,
    out: Collector<unknown>,
  ): void {
    runProgram(this.#config['onTimer'], timerVariables(timestamp, context), this.#readHost(context, out));
  }

  processBroadcastElement(value: unknown, context: KeyedBroadcastContext<unknown>, out: Collector<unknown>): void {
    const variables: Variables = {
      value,
      ts: context.timestamp(),
      watermark: context.currentWatermark(),
      now: context.currentProcessingTime(),
    };
    const host = programHost({
      emit: (result) => out.collect(result),
      side: (tag, result) => context.output(tagOf(tag), result),
      state: (name) => this.#states.get(name),
      broadcast: (name) => context.getBroadcastState(mapState(name)),
      forEachKey: (name, visit) => {
        const descriptor = stateDescriptors(this.#config['states']).get(name)?.descriptor;
        context.applyToKeyedState(descriptor as never, (key) => visit(key));
      },
    });
    runProgram(this.#config['processBroadcastElement'], variables, host);
  }

  #readHost(context: KeyedBroadcastReadContext<unknown>, out: Collector<unknown>): ReturnType<typeof programHost> {
    return programHost({
      emit: (result) => out.collect(result),
      side: (tag, result) => context.output(tagOf(tag), result),
      state: (name) => this.#states.get(name),
      timers: context.timerService(),
      broadcast: (name) => context.getBroadcastState(mapState(name)),
    });
  }
}

export class ProgramJoinFunction extends ProcessJoinFunction<unknown, unknown, unknown> {
  readonly #config: OperatorConfig;

  constructor(config: OperatorConfig) {
    super();
    this.#config = config;
  }

  processElement(left: unknown, right: unknown, context: ProcessJoinContext, out: Collector<unknown>): void {
    const variables: Variables = {
      left,
      right,
      leftTs: context.getLeftTimestamp(),
      rightTs: context.getRightTimestamp(),
      ts: context.getTimestamp(),
    };
    const host = programHost({
      emit: (value) => out.collect(value),
      side: (tag, value) => context.output(tagOf(tag), value),
    });
    runProgram(this.#config['process'], variables, host);
  }
}

export function programFlatMap(config: OperatorConfig): (value: unknown, out: Collector<unknown>) => void {
  return (value, out) => {
    runProgram(config['process'], { value }, programHost({ emit: (result) => out.collect(result) }));
  };
}

/** Counts the elements it has seen in operator list state, and reports every call. */
export class CountingFlatMap implements CheckpointedFunction {
  readonly #trace: Trace;
  #stored: OperatorListState<number> | null = null;
  #seen = 0;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  setRuntimeContext(): void {
    this.#trace.event('setRuntimeContext');
  }

  initializeState(context: FunctionInitializationContext): void {
    this.#stored = context.getListState<number>('seen');
    this.#seen = this.#stored.get().reduce((sum, count) => sum + count, 0);
    this.#trace.event('initializeState', `restored=${String(context.isRestored())},seen=${this.#seen}`);
  }

  open(): void {
    this.#trace.event('open');
  }

  flatMap(value: Json, out: Collector<unknown>): void {
    this.#trace.event('process', JSON.stringify(toJson(value)));
    this.#seen++;
    out.collect({ n: this.#seen, v: value });
  }

  snapshotState(): void {
    this.#trace.event('snapshotState', `seen=${this.#seen}`);
    this.#stored?.update([this.#seen]);
  }

  notifyCheckpointComplete(): void {
    this.#trace.event('notifyCheckpointComplete');
  }

  close(): void {
    this.#trace.event('close');
  }
}
