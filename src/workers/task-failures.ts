import type { Serde } from '../api/serde.js';
import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { PlanVertex } from '../graph/execution-plan.js';
import type { OperatorFailures, RecordScope } from '../operators/operator.js';
import type { ChannelOutput } from '../protocol/channel-output.js';
import { DeadLetterWriter } from './dead-letter-writer.js';
import { FailedRecordPolicy } from './failed-record-policy.js';
import type { ResponseWriter } from './response-writer.js';
import type { TaskHost } from './task-host.js';

export interface TaskFailuresOptions {
  readonly host: TaskHost;
  readonly vertex: PlanVertex;
  readonly scope: RecordScope;
  readonly serde: Serde<unknown>;
  /** `null` for a task without a channel to main. */
  readonly egress: ChannelOutput | null;
  /** `null` when no operator of the task can answer a request. */
  readonly responses: ResponseWriter | null;
  /** Hands over what the task has written so far. */
  readonly flush: () => void;
}

/** What a task does about what throws in it: the policy, where its letters go, and how operators ask between two records. */
export class TaskFailures implements OperatorFailures {
  readonly policy: FailedRecordPolicy;
  /** `null` unless the job keeps records that fail. */
  readonly deadLetters: DeadLetterWriter | null;
  readonly #flush: () => void;

  constructor(options: TaskFailuresOptions) {
    const { host, scope, responses } = options;
    const { onError, topicSources } = host.plan;
    const { onSkipped, onFatal } = host.taskEvents;
    const { setAside } = host;
    this.policy = new FailedRecordPolicy({ onError, scope, topicSources, setAside, responses, onSkipped, onFatal });
    this.deadLetters = openDeadLetters(options);
    this.#flush = options.flush;
  }

  recordFailed(error: unknown, value: unknown, timestamp: number): void {
    const failure = this.#named(error);
    if (!this.policy.isDropped(failure)) throw this.#last(failure);
    this.deadLetters?.writeValue(failure, value, timestamp);
  }

  timerFailed(error: unknown, operatorId: string): void {
    const failure = this.#named(error);
    if (!this.policy.isTimerDropped(failure, operatorId)) throw this.#last(failure);
  }

  /** What operators have not named is a defect of theirs, and nobody's record is to blame. */
  #named(error: unknown): MillraceError {
    if (MillraceError.is(error)) return error;
    throw error;
  }

  /** The step ends here: its answers, this record's among them, would stay behind. */
  #last(failure: MillraceError): MillraceError {
    this.#flush();
    return failure;
  }
}

function openDeadLetters({ host, vertex, scope, serde, egress }: TaskFailuresOptions): DeadLetterWriter | null {
  const { deadLetterSink, topicSources } = host.plan;
  if (deadLetterSink === null) return null;
  invariant(egress !== null, 'where dead letters are kept, each task has a channel to main');
  return new DeadLetterWriter({
    egress,
    sink: deadLetterSink,
    topicSources,
    scope,
    serde,
    clock: host.clock,
    headId: vertex.id,
  });
}
