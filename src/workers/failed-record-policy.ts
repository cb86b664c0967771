import type { OnError } from '../api/internal/transformation.js';
import type { MillraceError } from '../base/errors.js';
import type { PlanTopicSource } from '../graph/execution-plan.js';
import type { RecordScope } from '../operators/operator.js';
import { type Culprit, culpritName } from '../protocol/culprit.js';
import type { ResponseWriter } from './response-writer.js';

export interface FailedRecordPolicyOptions {
  readonly onError: OnError;
  readonly scope: RecordScope;
  readonly topicSources: readonly PlanTopicSource[];
  /** What has failed so often that it is not tried again. */
  readonly setAside: readonly Culprit[];
  /** `null` when no operator of the task can answer a request. */
  readonly responses: ResponseWriter | null;
  readonly onSkipped: (error: MillraceError) => void;
  /** The job fails because of this; `null` when nothing can tell it after a restart, such as a record from no topic. */
  readonly onFatal: (culprit: Culprit | null) => void;
}

/**
 * What becomes of a record whose processing threw, by the job's `onError`; and of a timer. One per task; costs nothing until
 * something throws.
 */
export class FailedRecordPolicy {
  readonly #options: FailedRecordPolicyOptions;
  readonly #setAside: ReadonlySet<string>;

  constructor(options: FailedRecordPolicyOptions) {
    this.#options = options;
    this.#setAside = new Set(options.setAside.map(culpritName));
  }

  /**
   * Decides about the record in scope, and answers its request, if it came from one: whoever waits learns at once what a
   * later attempt will not change. Under `retry` that is only when the record is set aside.
   *
   * @returns whether the task goes on without the record; if not, it fails
   */
  isDropped(failure: MillraceError): boolean {
    if (failure.recovery === 'crash') return false;
    const { onError, responses, scope } = this.#options;
    const { request } = scope;
    const record = this.#record();
    const isDropped =
      onError === 'skip' ||
      onError === 'dead-letter' ||
      (request !== null && onError === 'reject') ||
      this.#isSetAside(record);
    if (request !== null && (isDropped || onError !== 'retry')) responses?.respondFailure(request, failure, isDropped);
    return this.#end(failure, record, isDropped);
  }

  /**
   * Decides about the timer in scope. It may have changed state before it threw, and nobody waits for an answer: so it fails
   * the job, whatever `onError` says, until it is set aside.
   *
   * @returns whether the task goes on without the timer; if not, it fails
   */
  isTimerDropped(failure: MillraceError, operatorId: string): boolean {
    if (failure.recovery === 'crash') return false;
    const { originOffset: keyHash, originTime: timestamp } = this.#options.scope;
    const timer: Culprit = { kind: 'timer', timer: { operatorId, keyHash, timestamp } };
    return this.#end(failure, timer, this.#isSetAside(timer));
  }

  #isSetAside(culprit: Culprit | null): boolean {
    return culprit !== null && this.#setAside.has(culpritName(culprit));
  }

  #end(failure: MillraceError, culprit: Culprit | null, isDropped: boolean): boolean {
    if (isDropped) this.#options.onSkipped(failure);
    else this.#options.onFatal(culprit);
    return isDropped;
  }

  #record(): Culprit | null {
    const { scope, topicSources } = this.#options;
    const source = scope.originPartition < 0 ? undefined : topicSources[scope.originSource];
    if (source === undefined) return null;
    const { operatorId: sourceId, topic } = source;
    const record = { sourceId, topic, partition: scope.originPartition, offset: scope.originOffset };
    return { kind: 'record', record, isDeadly: false };
  }
}
