import { shardsOfSubtask } from '../../../src/api/internal/key-groups.js';
import type { Clock, MonotonicClock } from '../../../src/base/clock.js';
import type { CheckpointId } from '../../../src/base/ids.js';
import { invariant } from '../../../src/base/invariant.js';
import type { Prng } from '../../../src/base/prng.js';
import type { TopicPort } from '../../../src/connectors/topic.js';
import type { EgressChannel, ExecutionPlan, IngressChannel as IngressPlan } from '../../../src/graph/execution-plan.js';
import { isWithinThread } from '../../../src/graph/execution-plan.js';
import type { StreamGraph } from '../../../src/graph/stream-graph.js';
import { EgressCollector } from '../../../src/main/egress-collector.js';
import { IngressChannel, IngressRouter } from '../../../src/main/ingress-router.js';
import type { SourceOffsets } from '../../../src/main/job-attempt.js';
import { TransactionalOutput } from '../../../src/main/transactional-output.js';
import type { TransactionalProducer } from '../../../src/connectors/topic.js';
import { allocateTaskCounters, taskCountersFootprintBytes } from '../../../src/metrics/counter-layout.js';
import { TaskCountersWriter } from '../../../src/metrics/counters.js';
import { ChannelOutput } from '../../../src/protocol/channel-output.js';
import type { WorkerEvent } from '../../../src/protocol/control-message.js';
import type { RestoredJob } from '../../../src/protocol/deployment.js';
import { TOPIC_BATCH } from '../../../src/protocol/stream-element.js';
import { ChannelReader } from '../../../src/shared-memory/channel-reader.js';
import { ChannelWriter } from '../../../src/shared-memory/channel-writer.js';
import { Doorbell } from '../../../src/shared-memory/doorbell.js';
import {
  allocateRing,
  ringFootprintBytes,
  SharedRegion,
  type RingDescriptor,
} from '../../../src/shared-memory/shared-region.js';
import type { KeyedStateBackend } from '../../../src/api/internal/state-backend.js';
import { MemoryStateStore } from '../../../src/state/memory-state-store.js';
import { CheckpointParticipant } from '../../../src/workers/checkpoint-participant.js';
import { LocalChannel } from '../../../src/workers/local-channel.js';
import type { OutcomeJournal } from '../../../src/workers/outcome-journal.js';
import { buildTask } from '../../../src/workers/task-builder.js';
import type { Task } from '../../../src/workers/task.js';
import { WorkerRecordScope } from '../../../src/workers/worker-record-scope.js';
import type { WorkerState } from '../../../src/workers/worker-state.js';
import { makeAlignmentBoard, makeControlBlock } from '../../helpers/shared-memory.js';

/**
 * How the service works: as in production, or wrong in one way, which the simulation must find.
 *
 * - `unaligned`: main goes on reading a subtask's output behind its barrier.
 * - `uncommitted-read`: readers of output see what is not committed, and what was aborted.
 * - `forgetful`: what is kept of a request with an idempotency key is not part of the checkpoint.
 * - `late-snapshot`: the state of a checkpoint is that of its end, and not that of its barrier.
 * - `asks-again`: outcomes of asynchronous requests are not written down.
 * - `unsynced-content`, `unsynced-names`: the disk says that files, or names in folders, are durable, and they are not.
 */
export type Variant =
  | 'production'
  | 'unaligned'
  | 'uncommitted-read'
  | 'forgetful'
  | 'late-snapshot'
  | 'asks-again'
  | 'unsynced-content'
  | 'unsynced-names';

export interface AttemptOptions {
  readonly variant: Variant;
  readonly plan: ExecutionPlan;
  /** Graphs of their own for the subtasks, so that each has functions of its own. */
  readonly graphOf: () => StreamGraph;
  readonly port: TopicPort;
  readonly producer: TransactionalProducer;
  readonly positions: SourceOffsets;
  readonly restored: readonly RestoredJob[] | null;
  /** Of each worker, open. */
  readonly states: readonly WorkerState[];
  readonly outcomes: readonly OutcomeJournal[];
  readonly clock: Clock & MonotonicClock;
  readonly onEvent: (event: WorkerEvent) => void;
  readonly onEgressDurable: (channel: number, checkpointId: number) => void;
  readonly onEgressFailed: (channel: number, checkpointId: number, cause: Error) => void;
  readonly onFailure: (error: Error) => void;
}

/** What a worker has been told, and has not done yet. */
type Errand = () => void;

/**
 * One run of the job in this thread, from a restore to a crash. Main's routers, the tasks, the rings between them and each
 * worker's part of a checkpoint are those of production; threads are replaced by steps, which the simulation takes in any order.
 */
export class SimulatedAttempt {
  readonly ingress: IngressRouter;
  readonly egress: EgressCollector;
  readonly output: TransactionalOutput;
  readonly tasks: readonly Task[];
  readonly #options: AttemptOptions;
  readonly #rings: readonly RingDescriptor[];
  /** By worker: commands arrive in their order, and at any time. */
  readonly #commands: Errand[][];
  readonly #participants: readonly CheckpointParticipant[];
  /** By subtask, as in a worker. */
  readonly #graphs = new Map<number, StreamGraph>();
  readonly #localChannels = new Map<number, LocalChannel>();
  #offsets: SourceOffsets = new Map();
  #isStopped = false;

  constructor(options: AttemptOptions, ringBytes: number) {
    const { plan } = options;
    this.#options = options;
    this.#rings = plan.channels.map(({ index }) =>
      allocateRing(SharedRegion.allocate(ringFootprintBytes(ringBytes)), ringBytes, index),
    );
    const workers = Array.from({ length: plan.workerCount }, (_, worker) => worker);
    this.#commands = workers.map(() => []);
    this.tasks = plan.vertices.flatMap((vertex) =>
      Array.from({ length: vertex.parallelism }, (_, subtask) => this.#buildTask(vertex, subtask)),
    );
    this.#participants = workers.map((worker) => this.#participant(worker));
    for (const task of this.tasks.toReversed()) task.chain.open();
    const Output = options.variant === 'unaligned' ? UnalignedOutput : TransactionalOutput;
    this.output = new Output(options.producer, this.#transactionalChannels());
    this.egress = this.#buildEgress();
    this.ingress = this.#buildIngress();
  }

  // ------------------------------------------------------------------------------------------------------------- steps

  /** A worker carries out the next command, looks after its state, or runs a task for one frame. */
  stepWorker(prng: Prng): void {
    const worker = prng.below(this.#commands.length);
    const command = prng.below(2) === 0 ? this.#commands[worker]?.shift() : undefined;
    if (command !== undefined) return command();
    const task = this.tasks[prng.below(this.tasks.length)];
    try {
      if (prng.below(8) === 0) this.#options.states[worker]?.runUpkeep(0);
      else if (task?.isRunnable() === true) task.runStep(0);
    } catch (error) {
      this.#options.onFailure(error as Error);
    }
  }

  /** Main is woken by its doorbell. */
  stepMain(): void {
    this.egress.drain();
    this.ingress.resume();
  }

  stop(): void {
    this.#isStopped = true;
    this.ingress.stop();
    this.egress.stop();
  }

  // --------------------------------------------------------------------------------------------------------- checkpoints

  triggerCheckpoint(checkpointId: CheckpointId): SourceOffsets {
    const offsets = this.ingress.emitBarriers(checkpointId);
    this.#offsets = offsets;
    for (const worker of this.#commands.keys()) {
      this.#tell(worker, () => {
        this.#participants[worker]?.begin(checkpointId);
        for (const task of this.#tasksOf(worker)) task.triggerCheckpoint(checkpointId);
      });
    }
    return offsets;
  }

  notifyCheckpointComplete(checkpointId: CheckpointId): void {
    const positions = this.#offsets;
    for (const worker of this.#commands.keys()) {
      this.#tell(worker, () => {
        for (const task of this.#tasksOf(worker)) task.chain.notifyCheckpointComplete(checkpointId);
        this.#options.states[worker]?.notifyCheckpointComplete(checkpointId);
        this.#options.outcomes[worker]?.onCheckpointComplete(checkpointId, positions);
      });
    }
  }

  notifyCheckpointAborted(checkpointId: CheckpointId): void {
    this.output.abort(checkpointId);
    for (const worker of this.#commands.keys()) {
      this.#tell(worker, () => {
        for (const task of this.#tasksOf(worker)) task.abortCheckpoint(checkpointId);
        this.#options.states[worker]?.notifyCheckpointAborted(checkpointId);
      });
    }
  }

  #tell(worker: number, command: Errand): void {
    this.#commands[worker]?.push(command);
  }

  #workerOf(subtask: number): number {
    return subtask % this.#options.plan.workerCount;
  }

  #tasksOf(worker: number): readonly Task[] {
    return this.tasks.filter(({ name }) => this.#workerOf(name.subtask) === worker);
  }

  #participant(worker: number): CheckpointParticipant {
    return new CheckpointParticipant({
      worker,
      taskCount: this.#tasksOf(worker).length,
      stores: () => this.#options.states[worker]?.stores() ?? [],
      post: (event) => {
        if (!this.#isStopped) this.#options.onEvent(event);
      },
    });
  }

  #onSnapshot(task: Task, id: number): void {
    const checkpointId = id as CheckpointId;
    const worker = this.#workerOf(task.name.subtask);
    const operatorStates = task.chain.snapshotOperatorStates();
    if (this.#options.variant !== 'late-snapshot') this.#options.states[worker]?.beginSnapshot(task.name, checkpointId);
    this.#participants[worker]?.add(checkpointId, operatorStates, 0);
  }

  // ------------------------------------------------------------------------------------------------------------ building

  #buildTask(vertex: ExecutionPlan['vertices'][number], subtask: number): Task {
    const { plan, graphOf, restored, clock, variant, outcomes } = this.#options;
    const worker = this.#workerOf(subtask);
    const graph = this.#graphs.get(subtask) ?? graphOf();
    this.#graphs.set(subtask, graph);
    return buildTask(
      {
        plan,
        graphOf: () => graph,
        openReader: (channel) => new ChannelReader(this.#ring(channel), { producer: nobody() }),
        openWriter: (channel) => new ChannelWriter(this.#ring(channel), { consumer: nobody() }),
        localChannel: (channel) => this.#localChannel(channel),
        alignmentBoard: makeAlignmentBoard(0),
        openCounters: () => {
          const region = SharedRegion.allocate(taskCountersFootprintBytes(vertex.operators.length));
          return new TaskCountersWriter(allocateTaskCounters(region, vertex.operators.length));
        },
        openKeyedState: (namespace, index, operatorId) =>
          this.#openState(namespace, index, vertex.parallelism, operatorId),
        restored: restored?.[worker] ?? null,
        outcomesOf: (operatorId, barrier) =>
          variant === 'asks-again' ? null : (outcomes[worker]?.of(operatorId, barrier) ?? null),
        newScope: () => new WorkerRecordScope(makeControlBlock()),
        setAside: [],
        clock,
        attempt: 0,
        worker,
        spans: { add: () => undefined, newSpanId: () => '0000000000000001' },
        mailbox: { wake: () => undefined, addPending: () => undefined },
        writeLine: () => undefined,
        taskEvents: {
          clock,
          onSnapshot: (task, checkpointId) => this.#onSnapshot(task, checkpointId),
          onSkipped: (error) => this.#options.onFailure(error),
          // What threw arrives by itself.
          onFatal: () => undefined,
          onFinished: () => undefined,
        },
      },
      vertex,
      subtask,
    );
  }

  #openState(namespace: string, subtask: number, parallelism: number, operatorId: string): KeyedStateBackend {
    const { plan, states, clock, variant } = this.#options;
    if (variant === 'forgetful' && plan.topicSources.some((source) => source.operatorId === operatorId)) {
      const shards = shardsOfSubtask(subtask, parallelism, plan.shardCount);
      const store = new MemoryStateStore({ shardCount: plan.shardCount, shards, clock, restore: [] });
      return store.openBackend(operatorId);
    }
    const state = states[this.#workerOf(subtask)];
    invariant(state !== undefined, 'each worker has its state');
    return state.openBackend(namespace, subtask, operatorId);
  }

  #transactionalChannels(): number {
    const { channels, topicSinks } = this.#options.plan;
    return channels.filter(
      (channel) =>
        channel.kind === 'egress' && channel.topicSinks.some((sink) => topicSinks[sink]?.guarantee === 'exactly-once'),
    ).length;
  }

  #buildEgress(): EgressCollector {
    const { plan, port, onEgressDurable, onEgressFailed, onFailure } = this.#options;
    const channels = plan.channels.filter((channel): channel is EgressChannel => channel.kind === 'egress');
    return new EgressCollector(
      channels.map((channel) => ({
        plan: channel,
        reader: new ChannelReader(this.#ring(channel.index), { producer: nobody() }),
      })),
      {
        port,
        output: this.output,
        sinkTopics: plan.topicSinks.map(({ topic }) => ({
          topic,
          partitionCount: plan.shardCount,
          isTransactional: true,
        })),
        responseTopic: plan.responseTopic,
        onBarrierDurable: (channel, id) => {
          if (!this.#isStopped) onEgressDurable(channel, id);
        },
        onBarrierFailed: (channel, id, cause) => {
          if (!this.#isStopped) onEgressFailed(channel, id, cause);
        },
        onFailure,
      },
    );
  }

  #buildIngress(): IngressRouter {
    const { plan, port, positions, onFailure } = this.#options;
    const channels = plan.channels.filter((channel): channel is IngressPlan => channel.kind === 'ingress');
    return new IngressRouter(
      channels.map((channel) => {
        const source = plan.topicSources[channel.topicSource];
        invariant(source !== undefined, 'an ingress channel belongs to a source');
        const starts = positions.get(source.operatorId);
        return new IngressChannel({
          plan: channel,
          source,
          output: new ChannelOutput(new ChannelWriter(this.#ring(channel.index), { consumer: nobody() }), TOPIC_BATCH),
          port,
          positions: new Map(channel.partitions.map((partition) => [partition, starts?.get(partition) ?? 0])),
          expired: null,
          isHeld: null,
          onFailure,
        });
      }),
    );
  }

  #localChannel(index: number): LocalChannel | null {
    const channel = this.#options.plan.channels[index];
    if (channel === undefined || !isWithinThread(channel)) return null;
    const local = this.#localChannels.get(index) ?? new LocalChannel(index);
    this.#localChannels.set(index, local);
    return local;
  }

  #ring(channel: number): RingDescriptor {
    const ring = this.#rings[channel];
    invariant(ring !== undefined, 'each channel has a ring');
    return ring;
  }
}

class UnalignedOutput extends TransactionalOutput {
  override isBlocked(): boolean {
    return false;
  }
}

const silence = makeControlBlock();

/** Nobody sleeps here: a step is taken whether or not somebody rang. */
function nobody(): Doorbell {
  return new Doorbell(silence);
}
