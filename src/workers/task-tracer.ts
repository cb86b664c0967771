import type { KeyedStateBackend, StateObserver } from '../api/internal/state-backend.js';
import type { OutputTag, RequestHandle } from '../api/process-function.js';
import type { MonotonicClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { Output, RecordScope, WatermarkStatus } from '../operators/operator.js';
import { formatTraceparent, parseTraceparent, type SpanPlace, type TraceSpan } from '../protocol/trace-span.js';
import { FusedSteps } from './fused-steps.js';
import type { ChainOutput, ChainTarget, OperatorTally, OutputTargets } from './operator-chain.js';

/** Where the spans of a worker's tasks go, and what makes their ids. */
export interface SpanSink {
  add(span: TraceSpan): void;
  /** 16 hexadecimal digits that no other span has. */
  newSpanId(): string;
}

/** An operator of the chain, as spans name it. */
export interface TracedOperator {
  readonly name: string;
  readonly place: SpanPlace;
  readonly tally: OperatorTally;
  readonly keyedState: KeyedStateBackend | null;
}

type TracedRequest = RequestHandle & { readonly trace: string };

/**
 * Follows the records of traced requests through the operators of one task.
 *
 * Nothing of it is on the way of other records. A task that takes a record of a traced request hands it to the
 * {@link TracedTarget} of its head instead of the head; while that record is in the chain, the outputs between the operators
 * lead through traced targets as well, and afterwards where they led before.
 *
 * While an operator runs, the request in the scope names the operator's own span: whatever the record becomes, in a ring, in
 * a topic or in an answer, has that span as its parent, and so has what an operator emits later for a request that it kept.
 *
 * Thread: the task's worker.
 */
export class TaskTracer {
  readonly #scope: RecordScope;
  readonly #clock: MonotonicClock;
  readonly #sink: SpanSink;
  /** Of a reply, which names the task's last operator. */
  readonly #replyPlace: SpanPlace;
  readonly #links: { readonly output: ChainOutput; readonly plain: OutputTargets; readonly traced: OutputTargets }[] =
    [];
  readonly #targets = new Map<ChainTarget, TracedTarget>();
  /** Traced operators that are on the stack. */
  #depth = 0;

  constructor(options: { scope: RecordScope; clock: MonotonicClock; sink: SpanSink; replyPlace: SpanPlace }) {
    this.#scope = options.scope;
    this.#clock = options.clock;
    this.#sink = options.sink;
    this.#replyPlace = options.replyPlace;
  }

  /** The way into an operator for records of traced requests. The same one for the same target. */
  targetFor(target: ChainTarget, operator: TracedOperator): TracedTarget {
    // Each operator has a span of its own.
    const way = target instanceof FusedSteps ? target.linked : target;
    const traced = this.#targets.get(target) ?? new TracedTarget(this, way, operator);
    this.#targets.set(target, traced);
    return traced;
  }

  /** Takes an output between operators, whose targets have their traced ones already. */
  link(output: ChainOutput, plain: OutputTargets): void {
    const tracedOf = (targets: readonly ChainTarget[]): readonly ChainTarget[] =>
      targets.map((target) => this.#targets.get(target) ?? target);
    const side = new Map([...plain.side].map(([tag, targets]) => [tag, tracedOf(targets)]));
    this.#links.push({ output, plain, traced: { main: tracedOf(plain.main), side } });
  }

  /** Runs a record of a traced request through an operator, and what is behind it in the chain. */
  run(operator: TracedOperator, target: ChainTarget, value: unknown, timestamp: number): void {
    const outer = this.#scope.request;
    // An operator may emit for another request than the one whose record it takes.
    if (!isTraced(outer)) return target.collect(value, timestamp);
    const span = new OpenSpan(outer, this.#sink.newSpanId(), operator, this.#clock.nowMs());
    this.#scope.request = { ...outer, trace: span.traceparent };
    operator.keyedState?.observe(span);
    if (this.#depth++ === 0) for (const { output, traced } of this.#links) output.retarget(traced);
    try {
      target.collect(value, timestamp);
    } catch (error) {
      span.error = MillraceError.is(error) ? error.code : 'MILLRACE_USER_FUNCTION_FAILED';
      throw error;
    } finally {
      if (--this.#depth === 0) for (const { output, plain } of this.#links) output.retarget(plain);
      operator.keyedState?.observe(null);
      this.#scope.request = outer;
      this.#sink.add(span.end(this.#clock.nowMs()));
    }
  }

  /** An operator has answered. @returns the trace context for the answer's record */
  onReply(handle: RequestHandle, status: number): string | null {
    const parent = parseTraceparent(handle.trace ?? '');
    if (parent === null) return null;
    const spanId = this.#sink.newSpanId();
    this.#sink.add({
      traceId: parent.traceId,
      spanId,
      parentId: parent.spanId,
      requestId: handle.correlationId,
      kind: 'reply',
      name: 'reply',
      startMs: this.#clock.nowMs(),
      durationMs: 0,
      status,
      error: null,
      place: this.#replyPlace,
      stateReads: {},
      stateWrites: {},
      emitted: 0,
    });
    return formatTraceparent({ traceId: parent.traceId, spanId });
  }
}

/** Leads a record of a traced request into an operator. */
export class TracedTarget implements ChainTarget {
  readonly #tracer: TaskTracer;
  readonly #target: ChainTarget;
  readonly #operator: TracedOperator;

  constructor(tracer: TaskTracer, target: ChainTarget, operator: TracedOperator) {
    this.#tracer = tracer;
    this.#target = target;
    this.#operator = operator;
  }

  collect(value: unknown, timestamp: number): void {
    this.#tracer.run(this.#operator, this.#target, value, timestamp);
  }

  emitWatermark(timestamp: number): void {
    this.#target.emitWatermark(timestamp);
  }

  emitStatus(status: WatermarkStatus): void {
    this.#target.emitStatus(status);
  }
}

/**
 * The output of an operator that emits later than it was called, for a request that it kept: there a record of a traced
 * request enters the chain anew.
 */
export class LateOutput implements Output<unknown> {
  readonly #scope: RecordScope;
  readonly #output: Output<unknown>;
  readonly #traced: TracedTarget;

  constructor(scope: RecordScope, output: Output<unknown>, traced: TracedTarget) {
    this.#scope = scope;
    this.#output = output;
    this.#traced = traced;
  }

  collect(value: unknown, timestamp: number): void {
    if (this.#scope.request?.trace === undefined) this.#output.collect(value, timestamp);
    else this.#traced.collect(value, timestamp);
  }

  collectSide<S>(tag: OutputTag<S>, value: S, timestamp: number): void {
    this.#output.collectSide(tag, value, timestamp);
  }

  emitWatermark(timestamp: number): void {
    this.#output.emitWatermark(timestamp);
  }

  emitStatus(status: WatermarkStatus): void {
    this.#output.emitStatus(status);
  }
}

function isTraced(request: RequestHandle | null): request is TracedRequest {
  return request?.trace !== undefined;
}

/** A span that has not ended. */
class OpenSpan implements StateObserver {
  readonly traceparent: string;
  error: string | null = null;
  readonly #request: TracedRequest;
  readonly #spanId: string;
  readonly #operator: TracedOperator;
  readonly #startMs: number;
  readonly #emittedBefore: number;
  readonly #reads: Record<string, number> = {};
  readonly #writes: Record<string, number> = {};

  constructor(request: TracedRequest, spanId: string, operator: TracedOperator, startMs: number) {
    this.#request = request;
    this.#spanId = spanId;
    this.#operator = operator;
    this.#startMs = startMs;
    this.#emittedBefore = operator.tally.numRecordsOut;
    this.traceparent = formatTraceparent({ traceId: traceIdOf(request), spanId });
  }

  onRead(state: string): void {
    this.#reads[state] = (this.#reads[state] ?? 0) + 1;
  }

  onWrite(state: string): void {
    this.#writes[state] = (this.#writes[state] ?? 0) + 1;
  }

  end(nowMs: number): TraceSpan {
    const { name, place, tally } = this.#operator;
    return {
      traceId: traceIdOf(this.#request),
      spanId: this.#spanId,
      parentId: parseTraceparent(this.#request.trace)?.spanId ?? null,
      requestId: this.#request.correlationId,
      kind: 'operator',
      name,
      startMs: this.#startMs,
      durationMs: nowMs - this.#startMs,
      status: null,
      error: this.error,
      place,
      stateReads: this.#reads,
      stateWrites: this.#writes,
      emitted: tally.numRecordsOut - this.#emittedBefore,
    };
  }
}

function traceIdOf({ trace }: TracedRequest): string {
  return parseTraceparent(trace)?.traceId ?? '';
}
