import type { GatherSpec } from '../api/internal/event-time-specs.js';
import type { ScatterPart } from '../api/internal/scatter-part.js';
import type { InternalValueState, Namespace } from '../api/internal/state-backend.js';
import { VOID_NAMESPACE } from '../api/internal/state-backend.js';
import { valueState } from '../api/keyed-state.js';
import type { RequestHandle } from '../api/process-function.js';
import { NO_TIMESTAMP } from '../api/timer-service.js';
import { invariant } from '../base/invariant.js';
import { KeyedOperatorBase } from './keyed-operator-base.js';
import type { OperatorContext } from './operator.js';
import { InternalTimerService } from './timer-service.js';
import type { TimerTarget } from './timer-service.js';

/** What has come for one request. Stored under its correlation id. */
interface Gathering {
  readonly handle: RequestHandle;
  /** When the request is given up, as its timer is registered. */
  readonly dueAt: number;
  /** The request's record; `null` while only parts have come, which may overtake it. */
  readonly request: { readonly value: unknown; readonly timestamp: number } | null;
  /** By branch. */
  readonly partials: Readonly<Record<string, unknown>>;
  /** There was an answer: what is left is to recognise those that come too late. */
  readonly isAnswered: boolean;
}

/**
 * Joins what the branches of a scattered stream found for a request, and emits one answer.
 *
 * A request is in one of three states: nothing stored; gathering; answered and waiting for the last branches. The state is
 * removed when every branch has come, or by the timer that is registered with the first part. So whatever comes twice, late
 * or after a restart, the request's record, which comes once, is answered at most once: an answer needs it, and what is
 * stored after an answer keeps it from being stored again.
 *
 * The timer runs on the clock. If the time from acceptance is up already when the first part arrives, then the clock has run
 * ahead of the input, be it a backlog or a replay after a failure. The request gets the time anew, so that a replay answers
 * as the first run did wherever the branches are as fast as then.
 */
export class GatherOperator extends KeyedOperatorBase<ScatterPart, unknown> implements TimerTarget {
  readonly #spec: GatherSpec;
  #gatherings: InternalValueState<Gathering> | null = null;
  #timers: InternalTimerService | null = null;

  constructor(spec: GatherSpec) {
    super(spec.key);
    this.#spec = spec;
  }

  override open(context: OperatorContext<unknown>): void {
    super.open(context);
    this.#gatherings = this.keyedState.valueState(valueState<Gathering>('gathering'));
    this.#timers = new InternalTimerService(context, 'gather-timers', this);
  }

  processElement(part: ScatterPart, timestamp: number): void {
    this.enterKey(part);
    const before = this.#state.value() ?? this.#begin();
    const { branch, value } = part;
    if (branch === null) {
      this.#advance({ ...before, request: { value, timestamp } });
      return;
    }
    const isNew = !Object.hasOwn(before.partials, branch);
    if (before.isAnswered || !isNew) this.context.counters.numLateRecordsDropped++;
    // After the answer it only matters that the branch has come.
    const found = before.isAnswered ? null : value;
    if (isNew) this.#advance({ ...before, partials: { ...before.partials, [branch]: found } });
  }

  override processWatermark(timestamp: number): void {
    this.#timers?.advanceWatermark(timestamp);
    super.processWatermark(timestamp);
  }

  onTimer(_timestamp: number, _namespace: Namespace): void {
    const gathering = this.#state.value();
    if (gathering === undefined) return;
    this.#state.clear();
    const { request, partials, isAnswered } = gathering;
    if (isAnswered) return;
    if (request === null) {
      // Parts without a request: those that came after all was over.
      this.context.counters.numLateRecordsDropped += Object.keys(partials).length;
      return;
    }
    const { onTimeout } = this.#spec;
    if (onTimeout !== null) this.#answer(gathering, onTimeout, 'onTimeout');
  }

  get #state(): InternalValueState<Gathering> {
    return this.#gatherings as InternalValueState<Gathering>;
  }

  /** The first part of a request. */
  #begin(): Gathering {
    const { scope, processingTime } = this.context;
    const handle = scope.request;
    invariant(handle !== null, 'a part is labelled with its request');
    const now = processingTime.now();
    const timeoutMs = this.#spec.timeoutMs ?? Math.max(handle.deadline - scope.originTime, 0);
    const due = Math.min(scope.originTime + timeoutMs, handle.deadline);
    const dueAt = due > now ? due : now + timeoutMs;
    this.#timers?.registerProcessingTimeTimer(VOID_NAMESPACE, dueAt);
    return { handle, dueAt, request: null, partials: {}, isAnswered: false };
  }

  /** Answers when there is enough, and forgets the request when all has come. */
  #advance(gathering: Gathering): void {
    const { branches, quorum, combine } = this.#spec;
    const count = Object.keys(gathering.partials).length;
    const isDue = !gathering.isAnswered && gathering.request !== null && count >= quorum;
    const isAnswered = gathering.isAnswered || isDue;
    if (isAnswered && count === branches.length) {
      this.#state.clear();
      this.#timers?.deleteProcessingTimeTimer(VOID_NAMESPACE, gathering.dueAt);
    } else {
      this.#state.update({ ...gathering, isAnswered });
    }
    if (isDue) this.#answer(gathering, combine, 'combine');
  }

  #answer(
    { handle, request, partials }: Gathering,
    make: (request: unknown, partials: unknown) => unknown,
    method: string,
  ): void {
    this.context.scope.request = handle;
    // In the order of the branches, not of arrival.
    const found = this.#spec.branches.filter((branch) => Object.hasOwn(partials, branch));
    let answer: unknown;
    try {
      answer = make(request?.value, Object.fromEntries(found.map((branch) => [branch, partials[branch]])));
    } catch (error) {
      throw this.failure(error, method);
    }
    this.output.collect(answer, request?.timestamp ?? NO_TIMESTAMP);
  }
}
