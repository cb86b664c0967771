import { AsyncFunction } from '../../dist/api/async-function.js';
import type { ResultFuture } from '../../dist/api/async-function.js';
import type { KeySelector } from '../../dist/api/functions.js';
import { WatermarkStrategy } from '../../dist/api/watermark-strategy.js';
import { AssignTimestampsOperator } from '../../dist/operators/assign-timestamps-operator.js';
import { AsyncWaitOperator } from '../../dist/operators/async-wait-operator.js';
import { CoProcessOperator } from '../../dist/operators/co-process-operator.js';
import { FlatMapOperator } from '../../dist/operators/flat-map-operator.js';
import { IntervalJoinOperator } from '../../dist/operators/interval-join-operator.js';
import { KeyedBroadcastOperator } from '../../dist/operators/keyed-broadcast-operator.js';
import { KeyedCoProcessOperator } from '../../dist/operators/keyed-co-process-operator.js';
import { KeyedProcessOperator } from '../../dist/operators/keyed-process-operator.js';
import { MapOperator } from '../../dist/operators/map-operator.js';
import { ProcessOperator } from '../../dist/operators/process-operator.js';
import type { HarnessElement } from '../../dist/testing/harness-output.js';
import type { AnyOperator } from '../../dist/testing/harness-subtask.js';
import { ManualClock } from '../../dist/testing/manual-clock.js';
import { OperatorHarness } from '../../dist/testing/operator-harness.js';
import type { HarnessInput, HarnessSnapshot } from '../../dist/testing/operator-harness.js';
import { fromTime, toJson, toTime } from './case-format.js';
import type {
  Case,
  CaseOutput,
  CaseResult,
  InputStream,
  Item,
  Json,
  JsonObject,
  OperatorConfig,
  Time,
} from './case-format.js';
import { broadcastDescriptors, fieldOf, tagOf } from './functions.js';
import type { Trace } from './functions.js';
import {
  CountingFlatMap,
  programFlatMap,
  ProgramBroadcastFunction,
  ProgramCoProcessFunction,
  ProgramJoinFunction,
  ProgramKeyedCoProcessFunction,
  ProgramKeyedProcessFunction,
  ProgramProcessFunction,
} from './process-operators.js';
import { createCoGroupOperator, createWindowOperatorOf } from './window-operators.js';
import type { Tagged } from './window-operators.js';

/** One input stream is one channel of one input. */
interface Channel {
  readonly input: 1 | 2;
  readonly channel: number;
}

/** Runs a case: its operators in harnesses, one feeding the next, and its script step by step. */
export class CaseRunner implements Trace {
  readonly #case: Case;
  /** One per operator: a step of the clock reaches them one after another. */
  readonly #clocks: readonly ManualClock[];
  readonly #outputs: CaseOutput[] = [];
  readonly #requests = new AsyncRequests(this);
  readonly #snapshots = new Map<string, readonly HarnessSnapshot[]>();
  readonly #channels = new Map<InputStream, Channel>();
  /** Both inputs of a window join are one input with the channels of both. */
  readonly #isTagged: boolean;
  #harnesses: OperatorHarness<unknown>[] = [];
  #parallelism: number;
  #seq = 0;

  constructor(testCase: Case) {
    this.#case = testCase;
    this.#clocks = testCase.dataflow.operators.map(() => new ManualClock());
    this.#parallelism = testCase.dataflow.parallelism ?? 1;
    const first = testCase.dataflow.operators[0]?.operator;
    this.#isTagged = first === 'windowJoin' || first === 'coGroup';
    const counts = [0, 0];
    for (const stream of testCase.inputs) {
      const input = this.#isTagged ? 1 : (stream.input ?? 1);
      this.#channels.set(stream, { input, channel: counts[input - 1] ?? 0 });
      counts[input - 1] = (counts[input - 1] ?? 0) + 1;
    }
  }

  run(): CaseResult {
    const script = this.#case.inputs.flatMap((stream) => stream.items.map((item) => ({ stream, item })));
    script.sort((a, b) => a.item.seq - b.item.seq);
    this.#createHarnesses();
    for (const harness of this.#harnesses.toReversed()) harness.open();
    this.#settle();
    for (const { stream, item } of script) {
      this.#seq = item.seq;
      this.#runItem(stream, item);
      this.#settle();
    }
    const numLateRecordsDropped = this.#harnesses.at(-1)?.counters().numLateRecordsDropped ?? 0;
    this.#seq++;
    for (const harness of this.#harnesses) harness.close();
    return { outputs: this.#outputs, final: { numLateRecordsDropped } };
  }

  event(name: string, detail?: string): void {
    if (this.#case.dataflow.traceEvents !== true) return;
    this.#outputs.push({ seq: this.#seq, event: name, ...(detail === undefined ? {} : { detail }) });
  }

  #runItem(stream: InputStream, item: Item): void {
    const place = this.#channels.get(stream) as Channel;
    const first = this.#harnesses[0] as OperatorHarness<unknown>;
    if (item.value !== undefined) {
      const ts = item.ts === undefined ? undefined : fromTime(item.ts);
      first.processElement(this.#tagged(item.value, stream), ts, place);
    } else if (item.watermark !== undefined) first.processWatermark(fromTime(item.watermark), place);
    else if (item.status !== undefined) first.processStatus(item.status, place);
    else if (item.processingTime !== undefined) this.#setTime(item.processingTime);
    else if (item.checkpoint !== undefined) {
      this.#snapshots.set(
        item.checkpoint,
        this.#harnesses.map((harness) => harness.snapshot()),
      );
    } else if (item.restore !== undefined) this.#restore(item.restore, item.parallelism ?? this.#parallelism);
    else if (item.complete !== undefined) this.#requests.complete(item.complete, item.result ?? []);
    else if (item.endOfInput === true) for (const harness of this.#harnesses) harness.finish();
    else throw new Error(`the item ${JSON.stringify(item)} is of no known kind`);
  }

  #tagged(value: Json, stream: InputStream): Json | Tagged {
    return this.#isTagged ? { side: stream.input ?? 1, value } : value;
  }

  #setTime(nowMs: number): void {
    for (const [index, harness] of this.#harnesses.entries()) {
      this.#clocks[index]?.set(nowMs);
      harness.fireTimers();
    }
  }

  #settle(): void {
    for (const harness of this.#harnesses) harness.settle();
  }

  #restore(id: string, parallelism: number): void {
    const snapshots = this.#snapshots.get(id);
    if (snapshots === undefined) throw new Error(`there is no checkpoint "${id}" to restore`);
    for (const harness of this.#harnesses) harness.close();
    this.#requests.clear();
    this.#parallelism = parallelism;
    this.#createHarnesses();
    for (let index = this.#harnesses.length - 1; index >= 0; index--) {
      const snapshot = snapshots[index];
      if (snapshot !== undefined) this.#harnesses[index]?.restore(snapshot, { parallelism });
    }
  }

  #createHarnesses(): void {
    const { operators } = this.#case.dataflow;
    this.#harnesses = operators.map((config, index) => {
      return new OperatorHarness<unknown>(() => this.#createOperator(config), {
        inputs: this.#inputsOf(config, index === 0),
        parallelism: this.#parallelism,
        clock: this.#clocks[index] as ManualClock,
        uid: `operator-${index}`,
        settles: false,
        onOutput: (element) => this.#receive(element, index),
      });
    });
  }

  #inputsOf(config: OperatorConfig, isFirst: boolean): HarnessInput[] {
    const keys = this.#keysOf(config);
    const inputCount = isTwoInput(config) ? 2 : 1;
    const inputs: HarnessInput[] = [];
    for (let index = 0; index < inputCount; index++) {
      const fromStreams = [...this.#channels.values()].filter(({ input }) => input === index + 1).length;
      const channels = isFirst ? Math.max(fromStreams, 1) : this.#parallelism;
      const key = keys[index];
      const isBroadcast = config.operator === 'keyedBroadcast' && index === 1;
      inputs.push({
        channels,
        broadcast: isBroadcast,
        ...(key === undefined ? {} : { key: key }),
      });
    }
    return inputs;
  }

  #keysOf(config: OperatorConfig): KeySelector<unknown, unknown>[] {
    if (config.operator === 'windowAll') return [() => 0];
    const keyBy = config['keyBy'];
    if (keyBy === undefined) return [];
    const fields = (Array.isArray(keyBy) ? keyBy : [keyBy]) as readonly string[];
    const selectors = fields.map((field) => (value: unknown) => fieldOf(value, field));
    if (!this.#isTagged) return selectors;
    const [left, right] = selectors;
    return [(tagged) => ((tagged as Tagged).side === 1 ? left : right)?.((tagged as Tagged).value)];
  }

  #receive(element: HarnessElement<unknown>, index: number): void {
    if (element.kind === 'side') {
      const { tag, value, timestamp } = element;
      this.#outputs.push({ seq: this.#seq, tag, value: toJson(this.#untagged(value)), ts: timeOrNull(timestamp) });
      return;
    }
    const next = this.#harnesses[index + 1];
    if (next === undefined) this.#record(element);
    else if (element.kind === 'record') next.processElement(element.value, element.timestamp);
    else if (element.kind === 'watermark') next.processWatermark(element.timestamp, { channel: element.subtask });
    else next.processStatus(element.status, { channel: element.subtask });
  }

  #untagged(value: unknown): unknown {
    return this.#isTagged ? (value as Tagged).value : value;
  }

  #record(element: HarnessElement<unknown>): void {
    const seq = this.#seq;
    const hasWatermarks = this.#case.dataflow.recordWatermarks !== false;
    if (element.kind === 'record') {
      this.#outputs.push({ seq, value: toJson(element.value), ts: timeOrNull(element.timestamp) });
    } else if (!hasWatermarks) return;
    else if (element.kind === 'watermark') this.#outputs.push({ seq, watermark: toTime(element.timestamp) });
    else if (element.kind === 'status') this.#outputs.push({ seq, status: element.status });
  }

  #createOperator(config: OperatorConfig): AnyOperator<unknown> {
    const [key1, key2] = this.#keysOf(config) as [KeySelector<unknown, unknown>, KeySelector<unknown, unknown>];
    switch (config.operator) {
      case 'window':
      case 'windowAll':
        return createWindowOperatorOf(config, key1);
      case 'windowJoin':
      case 'coGroup':
        return createCoGroupOperator(config, key1);
      case 'keyedProcess':
        return new KeyedProcessOperator(new ProgramKeyedProcessFunction(config), key1);
      case 'flatMap':
        return new FlatMapOperator(programFlatMap(config));
      case 'richFlatMap':
        return new FlatMapOperator<Json, unknown>(new CountingFlatMap(this));
      case 'process':
        return new ProcessOperator(new ProgramProcessFunction(config));
      case 'coProcess':
        return new CoProcessOperator(new ProgramCoProcessFunction(config));
      case 'keyedCoProcess':
        return new KeyedCoProcessOperator(new ProgramKeyedCoProcessFunction(config), key1, key2);
      case 'keyedBroadcast': {
        const states = broadcastDescriptors(config['broadcastStates']);
        return new KeyedBroadcastOperator({ fn: new ProgramBroadcastFunction(config), key: key1, states });
      }
      case 'intervalJoin':
        return createIntervalJoin(config, key1, key2);
      case 'assignTimestampsAndWatermarks':
        return new AssignTimestampsOperator(
          strategyOf(config['strategy'] as JsonObject),
          (config['autoWatermarkInterval'] as number | undefined) ?? 0,
        );
      case 'watermarkValve':
        return new MapOperator((value: unknown) => value);
      case 'asyncIO':
        return new AsyncWaitOperator(this.#requests, config['mode'] as 'ordered' | 'unordered', {
          timeoutMs: config['timeout'] as number,
          capacity: config['capacity'] as number,
        });
      default:
        throw new Error(`the operator "${config.operator}" is not known`);
    }
  }
}

function isTwoInput(config: OperatorConfig): boolean {
  return ['keyedCoProcess', 'coProcess', 'keyedBroadcast', 'intervalJoin'].includes(config.operator);
}

function timeOrNull(timestamp: number | undefined): Time | null {
  return timestamp === undefined ? null : toTime(timestamp);
}

function createIntervalJoin(
  config: OperatorConfig,
  leftKey: KeySelector<unknown, unknown>,
  rightKey: KeySelector<unknown, unknown>,
): IntervalJoinOperator<unknown, unknown, unknown> {
  const leftLate = config['lateOutputLeft'] as string | undefined;
  const rightLate = config['lateOutputRight'] as string | undefined;
  return new IntervalJoinOperator({
    leftKey,
    rightKey,
    lowerMs: (config['lower'] as number) + (config['lowerExclusive'] === true ? 1 : 0),
    upperMs: (config['upper'] as number) - (config['upperExclusive'] === true ? 1 : 0),
    leftLateTag: leftLate === undefined ? null : tagOf(leftLate),
    rightLateTag: rightLate === undefined ? null : tagOf(rightLate),
    fn: new ProgramJoinFunction(config),
  });
}

function strategyOf(config: JsonObject): WatermarkStrategy<unknown> {
  let strategy = baseStrategyOf(config);
  const timestampField = config['timestampField'] as string | undefined;
  if (timestampField !== undefined) {
    strategy = strategy.withTimestampAssigner((value) => fromTime(fieldOf(value, timestampField) as Time));
  }
  const idleness = config['idleness'] as number | undefined;
  return idleness === undefined ? strategy : strategy.withIdleness(idleness);
}

function baseStrategyOf(config: JsonObject): WatermarkStrategy<unknown> {
  switch (config['type']) {
    case 'boundedOutOfOrderness':
      return WatermarkStrategy.boundedOutOfOrderness(config['delay'] as number);
    case 'monotonous':
      return WatermarkStrategy.monotonousTimestamps();
    case 'noWatermarks':
      return WatermarkStrategy.noWatermarks();
    case 'punctuated':
      return WatermarkStrategy.punctuated((value) => {
        const watermark = fieldOf(value, config['watermarkField'] as string) as Time | null;
        return watermark === null ? null : fromTime(watermark);
      });
    default:
      throw new Error(`the strategy ${JSON.stringify(config['type'])} is not known`);
  }
}

/** Requests that the script completes, by the id in the element. */
class AsyncRequests extends AsyncFunction<unknown, unknown> {
  readonly #trace: Trace;
  readonly #pending = new Map<string, ResultFuture<unknown>[]>();

  constructor(trace: Trace) {
    super();
    this.#trace = trace;
  }

  asyncInvoke(value: unknown, result: ResultFuture<unknown>): void {
    const id = textOf(fieldOf(value, 'id'));
    this.#trace.event('asyncInvoke', id);
    this.#pending.set(id, [...(this.#pending.get(id) ?? []), result]);
  }

  override timeout(value: unknown, result: ResultFuture<unknown>): void {
    this.#trace.event('timeout', textOf(fieldOf(value, 'id')));
    result.complete([{ timedOut: value }]);
  }

  complete(id: Json, results: readonly Json[]): void {
    const [first, ...rest] = this.#pending.get(textOf(id)) ?? [];
    this.#pending.set(textOf(id), rest);
    first?.complete(results);
  }

  clear(): void {
    this.#pending.clear();
  }
}

function textOf(id: unknown): string {
  return typeof id === 'string' ? id : JSON.stringify(id);
}
