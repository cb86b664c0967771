import type { KeyedStateBackend } from '../api/internal/state-backend.js';
import type { Clock } from '../base/clock.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { StreamGraph } from '../graph/stream-graph.js';
import type { TaskCountersWriter } from '../metrics/counters.js';
import type { OutcomeRecall, RecordScope } from '../operators/operator.js';
import type { RestoredJob } from '../protocol/deployment.js';
import type { Culprit } from '../protocol/culprit.js';
import type { AlignmentBoard } from '../shared-memory/alignment-board.js';
import type { ChannelReader } from '../shared-memory/channel-reader.js';
import type { ChannelWriter } from '../shared-memory/channel-writer.js';
import type { FailedRecordPolicyOptions } from './failed-record-policy.js';
import type { LocalChannel } from './local-channel.js';
import type { TaskOptions } from './task.js';
import type { MailboxHost } from './task-mailbox.js';
import type { SpanSink } from './task-tracer.js';

/** What a task needs of its worker. */
export interface TaskHost {
  readonly plan: ExecutionPlan;
  /** A graph of its own for each subtask, so that each has function instances of its own. */
  graphOf(subtask: number): StreamGraph;
  /** This thread's end of a ring. */
  openReader(channelIndex: number): ChannelReader;
  openWriter(channelIndex: number): ChannelWriter;
  /** The channel between two tasks of this thread, the same for both ends; `null` when one end is elsewhere. */
  localChannel(channelIndex: number): LocalChannel | null;
  readonly alignmentBoard: AlignmentBoard;
  openCounters(vertex: number, subtask: number): TaskCountersWriter;
  openKeyedState(namespace: string, subtask: number, operatorId: string): KeyedStateBackend;
  /** @param barrier tells the newest checkpoint whose barrier has come to the operator. `null` where nothing is kept */
  outcomesOf(operatorId: string, barrier: () => number): OutcomeRecall | null;
  readonly restored: RestoredJob | null;
  readonly clock: Clock;
  readonly attempt: number;
  writeLine(line: string): void;
  readonly mailbox: MailboxHost;
  readonly worker: number;
  readonly spans: SpanSink;
  /** A scope for a task. */
  newScope(): RecordScope;
  /** What the task goes on without when it fails once more. */
  readonly setAside: readonly Culprit[];
  readonly taskEvents: Pick<TaskOptions, 'onSnapshot' | 'onFinished' | 'clock'> &
    Pick<FailedRecordPolicyOptions, 'onSkipped' | 'onFatal'>;
}
