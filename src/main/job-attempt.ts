/**
 * One run of a job, from one restored point to its end: the workers, the rings, and main's ends of them.
 *
 * A restart is a new attempt over the same topics. Thread: main. Nothing here waits for a worker but the control plane.
 */
import type { Clock } from '../base/clock.js';
import type { CheckpointId } from '../base/ids.js';
import { invariant } from '../base/invariant.js';
import type { OutputEnds, TopicPort, TransactionalProducer } from '../connectors/topic.js';
import type { EgressChannel, ExecutionPlan, IngressChannel as IngressPlan } from '../graph/execution-plan.js';
import { ChannelOutput } from '../protocol/channel-output.js';
import type { WorkerEvent } from '../protocol/control-message.js';
import type { RestoredJob, SharedMemoryMap, StateSettings } from '../protocol/deployment.js';
import { TOPIC_BATCH } from '../protocol/stream-element.js';
import { ChannelReader } from '../shared-memory/channel-reader.js';
import { ChannelWriter } from '../shared-memory/channel-writer.js';
import { ControlBlock } from '../shared-memory/control-block.js';
import type { RingDescriptor } from '../shared-memory/shared-region.js';
import { Doorbell } from '../shared-memory/doorbell.js';
import { EgressCollector } from './egress-collector.js';
import type { ExpiredRequests } from './expired-requests.js';
import { IngressChannel, IngressRouter } from './ingress-router.js';
import { allocateSharedMemory } from './shared-memory-plan.js';
import { TransactionalOutput } from './transactional-output.js';
import { WorkerPool } from './worker-pool.js';

/** Offsets by the source's operator uid, then by topic partition. */
export type SourceOffsets = ReadonlyMap<string, ReadonlyMap<number, number>>;

export interface JobAttemptOptions {
  readonly plan: ExecutionPlan;
  /** URL of the job module. */
  readonly jobModule: string;
  readonly port: TopicPort;
  readonly clock: Clock;
  /** Opened for this attempt, which closes it: what the attempt before left uncommitted is aborted by then. */
  readonly producer: TransactionalProducer;
  /** By topic sink of the plan: the topic's number of partitions. */
  readonly sinkPartitionCounts: readonly number[];
  /** Where each source begins. */
  readonly positions: SourceOffsets;
  /** By the uid of a request source. */
  readonly expired: ReadonlyMap<string, ExpiredRequests>;
  readonly state: StateSettings;
  /** By worker; `null` for a start from nothing. */
  readonly restored: readonly RestoredJob[] | null;
  readonly attempt: number;
  readonly ringBytes: number;
  readonly controlTimeoutMs: number;
  readonly onEvent: (event: WorkerEvent) => void;
  /** Everything that a subtask wrote before the barrier is durable in its topics. */
  readonly onEgressDurable: (channelIndex: number, checkpointId: CheckpointId) => void;
  /** Some of it was refused. */
  readonly onEgressFailed: (channelIndex: number, checkpointId: CheckpointId, cause: Error) => void;
  /** The attempt cannot go on. May be called several times. */
  readonly onFailure: (error: Error) => void;
}

export class JobAttempt {
  readonly shared: SharedMemoryMap;
  readonly #options: JobAttemptOptions;
  readonly #doorbell: Doorbell;
  readonly #pool: WorkerPool;
  readonly #ingress: IngressRouter;
  readonly #egress: EgressCollector;
  readonly #output: TransactionalOutput | null;
  #isStopped = false;
  #stopping: Promise<void> | null = null;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: JobAttemptOptions) {
    const { plan } = options;
    this.#options = options;
    this.shared = allocateSharedMemory(plan, options.ringBytes);
    this.#doorbell = new ControlBlock(this.#controlBlock(plan.workerCount)).doorbell;
    this.#pool = new WorkerPool({
      workerCount: plan.workerCount,
      controlTimeoutMs: options.controlTimeoutMs,
      onEvent: options.onEvent,
      onDeath: (_worker, cause) => options.onFailure(cause),
    });
    this.#ingress = this.#buildIngress();
    this.#output = this.#buildOutput();
    this.#egress = this.#buildEgress();
  }

  /** Starts the workers and has them build and restore their parts. Nothing runs yet. */
  async deploy(): Promise<void> {
    const { plan, jobModule, state, restored, attempt } = this.#options;
    const workers = Array.from({ length: plan.workerCount }, (_, worker) => worker);
    await this.#pool.deploy(
      workers.map((worker) => ({
        worker,
        plan,
        jobModule,
        shared: this.shared,
        state,
        restored: restored?.[worker] ?? null,
        attempt,
      })),
    );
  }

  /** Lets the records flow. */
  async start(): Promise<void> {
    await this.#pool.all((commands) => commands.start());
    this.#loop = this.#serveDoorbell().catch((error: unknown) => this.#options.onFailure(error as Error));
    this.#ingress.start();
  }

  /** Whether a checkpoint may be started now. */
  get isSettled(): boolean {
    return this.#ingress.isSettled;
  }

  /** Starts a checkpoint at all sources. @returns the offsets that it covers */
  triggerCheckpoint(checkpointId: CheckpointId): SourceOffsets {
    const offsets = this.#ingress.emitBarriers(checkpointId);
    this.#tellWorkers((commands) => commands.triggerCheckpoint(checkpointId));
    return offsets;
  }

  /** Where the output of exactly-once sinks ends that belongs to a checkpoint which everybody has acknowledged. */
  outputsOf(checkpointId: CheckpointId): OutputEnds {
    return this.#output?.outputsOf(checkpointId) ?? {};
  }

  /** The checkpoint's manifest is durable: its output becomes visible. */
  async commitOutputs(checkpointId: CheckpointId, offsets: SourceOffsets): Promise<void> {
    const { plan } = this.#options;
    const committed = plan.topicSources.map(({ operatorId, topic }) => {
      const metadata = String(checkpointId);
      const ofSource = [...(offsets.get(operatorId) ?? [])].map(
        ([partition, offset]) => [partition, { offset, metadata }] as const,
      );
      return [topic, new Map(ofSource)] as const;
    });
    await this.#output?.commit({
      checkpointId,
      outputs: this.outputsOf(checkpointId),
      group: plan.jobName,
      offsets: new Map(committed),
    });
  }

  /** How far the sources that main feeds have been read. */
  positions(): SourceOffsets {
    return this.#ingress.positions();
  }

  notifyCheckpointComplete(checkpointId: CheckpointId): void {
    this.#tellWorkers((commands) => commands.notifyCheckpointComplete(checkpointId));
  }

  notifyCheckpointAborted(checkpointId: CheckpointId): void {
    this.#output?.abort(checkpointId);
    this.#doorbell.ring();
    this.#tellWorkers((commands) => commands.notifyCheckpointAborted(checkpointId));
  }

  /** Reads no more from the topics; what is in the rings goes on. */
  stopIngress(): void {
    this.#ingress.stop();
  }

  /** Ends the attempt: workers close their state, threads end. May be called twice, and after a failure. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#isStopped = true;
    this.#ingress.stop();
    try {
      // A worker that failed has sent the answer to the request that made it fail.
      this.#egress.drain();
    } finally {
      this.#egress.stop();
      await this.#options.producer.close();
      this.#doorbell.ring();
      await this.#loop;
      await this.#stopWorkers();
    }
  }

  async #stopWorkers(): Promise<void> {
    // Every worker that still lives closes its state before any thread is ended: an environment must not be torn down.
    await this.#pool.settle((commands) => commands.cancel());
    await this.#pool.close();
  }

  /** The one loop of main's data plane: woken by a ring, takes what came and goes on where it waited for room. */
  async #serveDoorbell(): Promise<void> {
    while (!this.#isStopped) {
      const hasWorked = [this.#egress.drain(), this.#ingress.resume()].includes(true);
      const seen = this.#doorbell.prepareToSleep();
      if (hasWorked || this.#isStopped || this.#egress.hasWork() || this.#ingress.resume()) {
        this.#doorbell.cancelSleep();
        // HTTP and disk get their turn however much the workers send.
        await new Promise((resolve) => setImmediate(resolve));
      } else await this.#doorbell.sleepAsync(seen);
    }
  }

  #tellWorkers(give: Parameters<WorkerPool['all']>[0]): void {
    this.#pool.all(give).catch((error: unknown) => {
      if (!this.#isStopped) this.#options.onFailure(error as Error);
    });
  }

  #buildOutput(): TransactionalOutput | null {
    const { plan, producer } = this.#options;
    const channels = plan.channels.filter(
      (channel) =>
        channel.kind === 'egress' &&
        channel.topicSinks.some((sink) => plan.topicSinks[sink]?.guarantee === 'exactly-once'),
    );
    return channels.length === 0 ? null : new TransactionalOutput(producer, channels.length);
  }

  #buildEgress(): EgressCollector {
    const { plan, port, sinkPartitionCounts, onEgressDurable, onEgressFailed, onFailure } = this.#options;
    const channels = plan.channels.filter((channel): channel is EgressChannel => channel.kind === 'egress');
    return new EgressCollector(
      channels.map((channel) => ({
        plan: channel,
        reader: new ChannelReader(this.#ring(channel.index), {
          producer: new Doorbell(this.#controlBlock(channel.producer.worker)),
        }),
      })),
      {
        port,
        output: this.#output,
        sinkTopics: plan.topicSinks.map(({ topic, index, guarantee }) => ({
          topic,
          partitionCount: sinkPartitionCounts[index] ?? 1,
          isTransactional: guarantee === 'exactly-once',
        })),
        responseTopic: plan.responseTopic,
        onBarrierDurable: (channelIndex, checkpointId) => onEgressDurable(channelIndex, checkpointId as CheckpointId),
        onBarrierFailed: (channelIndex, checkpointId, cause) =>
          onEgressFailed(channelIndex, checkpointId as CheckpointId, cause),
        onFailure,
      },
    );
  }

  #buildIngress(): IngressRouter {
    const { plan, port, positions, expired, onFailure } = this.#options;
    const channels = plan.channels.filter((channel): channel is IngressPlan => channel.kind === 'ingress');
    return new IngressRouter(
      channels.map((channel) => {
        const source = plan.topicSources[channel.topicSource];
        invariant(source !== undefined, 'an ingress channel belongs to a source of the plan');
        const starts = positions.get(source.operatorId);
        return new IngressChannel({
          plan: channel,
          source,
          output: new ChannelOutput(
            new ChannelWriter(this.#ring(channel.index), {
              consumer: new Doorbell(this.#controlBlock(channel.consumer.worker)),
            }),
            TOPIC_BATCH,
          ),
          port,
          positions: new Map(channel.partitions.map((partition) => [partition, starts?.get(partition) ?? 0])),
          expired: expired.get(source.operatorId) ?? null,
          onFailure,
        });
      }),
    );
  }

  #ring(channelIndex: number): RingDescriptor {
    const ring = this.shared.rings[channelIndex];
    invariant(ring !== undefined && ring !== null, 'each channel has a ring');
    return ring;
  }

  #controlBlock(thread: number): SharedMemoryMap['controlBlocks'][number] {
    const block = this.shared.controlBlocks[thread];
    invariant(block !== undefined, 'each thread has a control block');
    return block;
  }
}
