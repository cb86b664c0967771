import type { OnError } from '../api/internal/transformation.js';
import type { MillraceError } from '../base/errors.js';
import type { PlanTopicSource } from '../graph/execution-plan.js';
import type { RecordScope } from '../operators/operator.js';
import { originName, type RecordOrigin } from '../protocol/record-origin.js';
import type { ResponseWriter } from './response-writer.js';

export interface FailedRecordPolicyOptions {
  readonly onError: OnError;
  readonly scope: RecordScope;
  readonly topicSources: readonly PlanTopicSource[];
  /** Records that have failed so often that they are not tried again. */
  readonly setAside: readonly RecordOrigin[];
  /** `null` when no operator of the task can answer a request. */
  readonly responses: ResponseWriter | null;
  readonly onSkipped: (error: MillraceError) => void;
  /** The job fails because of this record; `null` when it came from no topic. */
  readonly onFatalRecord: (origin: RecordOrigin | null) => void;
}

/** What becomes of a record whose processing threw, by the job's `onError`. One per task; costs nothing until something throws. */
export class FailedRecordPolicy {
  readonly #options: FailedRecordPolicyOptions;
  readonly #setAside: ReadonlySet<string>;

  constructor(options: FailedRecordPolicyOptions) {
    this.#options = options;
    this.#setAside = new Set(options.setAside.map(originName));
  }

  /**
   * Decides about the record in scope, and answers its request, if it came from one: whoever waits learns at once what a
   * later attempt will not change. Under `retry` that is only when the record is set aside.
   *
   * @returns whether the task goes on without the record; if not, it fails
   */
  isDropped(failure: MillraceError): boolean {
    if (failure.recovery === 'crash') return false;
    const { onError, responses, onSkipped, onFatalRecord, scope } = this.#options;
    const { request } = scope;
    const origin = this.#origin();
    const isDropped =
      onError === 'skip' ||
      onError === 'dead-letter' ||
      (request !== null && onError === 'reject') ||
      (origin !== null && this.#setAside.has(originName(origin)));
    if (request !== null && (isDropped || onError !== 'retry')) responses?.respondFailure(request, failure, isDropped);
    if (isDropped) onSkipped(failure);
    else onFatalRecord(origin);
    return isDropped;
  }

  #origin(): RecordOrigin | null {
    const { scope, topicSources } = this.#options;
    const source = scope.originPartition < 0 ? undefined : topicSources[scope.originSource];
    if (source === undefined) return null;
    const { operatorId, topic } = source;
    return { sourceId: operatorId, topic, partition: scope.originPartition, offset: scope.originOffset };
  }
}
