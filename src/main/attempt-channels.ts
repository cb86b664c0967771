/**
 * Main's ends of an attempt's channels: topics to sources, sinks and answers to topics, and the loop that serves both.
 *
 * Thread: main. Nothing here waits for a worker.
 */
import type { Clock } from '../base/clock.js';
import type { CheckpointId } from '../base/ids.js';
import { invariant } from '../base/invariant.js';
import type { OutputEnds, TopicPort, TransactionalProducer } from '../connectors/topic.js';
import type { EgressChannel, ExecutionPlan, IngressChannel as IngressPlan } from '../graph/execution-plan.js';
import { type AlignedPartition, alignedPartitions } from '../graph/source-alignment.js';
import { ChannelOutput } from '../protocol/channel-output.js';
import type { SharedMemoryMap } from '../protocol/deployment.js';
import { TOPIC_BATCH } from '../protocol/stream-element.js';
import { AlignmentBoard } from '../shared-memory/alignment-board.js';
import { ChannelReader } from '../shared-memory/channel-reader.js';
import { ChannelWriter } from '../shared-memory/channel-writer.js';
import { ControlBlock } from '../shared-memory/control-block.js';
import { Doorbell } from '../shared-memory/doorbell.js';
import type { RingDescriptor } from '../shared-memory/shared-region.js';
import { EgressCollector } from './egress-collector.js';
import type { ExpiredRequests } from './expired-requests.js';
import { IngressChannel, IngressRouter } from './ingress-router.js';
import { RepartitionWatermarks } from './repartition-watermarks.js';
import { TransactionalOutput } from './transactional-output.js';

/** Offsets by the source's operator uid, then by topic partition. */
export type SourceOffsets = ReadonlyMap<string, ReadonlyMap<number, number>>;

export interface AttemptChannelsOptions {
  readonly plan: ExecutionPlan;
  readonly shared: SharedMemoryMap;
  readonly port: TopicPort;
  /** Opened for this attempt, which closes it: what the attempt before left uncommitted is aborted by then. */
  readonly producer: TransactionalProducer;
  /** By topic sink of the plan: the topic's number of partitions. */
  readonly sinkPartitionCounts: readonly number[];
  /** Where each source begins. */
  readonly positions: SourceOffsets;
  /** By the uid of a request source. */
  readonly expired: ReadonlyMap<string, ExpiredRequests>;
  /** Everything that a subtask wrote before the barrier is durable in its topics. */
  readonly onEgressDurable: (channelIndex: number, checkpointId: CheckpointId) => void;
  /** Some of it was refused. */
  readonly onEgressFailed: (channelIndex: number, checkpointId: CheckpointId, cause: Error) => void;
  /** A caller waits for output that only a checkpoint makes visible. */
  readonly onCommitWanted: () => void;
  readonly clock: Clock;
  /** The attempt cannot go on. May be called several times. */
  readonly onFailure: (error: Error) => void;
}

export class AttemptChannels {
  readonly ingress: IngressRouter;
  readonly #options: AttemptChannelsOptions;
  readonly #doorbell: Doorbell;
  readonly #egress: EgressCollector;
  readonly #output: TransactionalOutput | null;
  readonly #board: AlignmentBoard;
  readonly #aligned: readonly AlignedPartition[];
  #alignmentTimer: NodeJS.Timeout | null = null;
  #isStopped = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: AttemptChannelsOptions) {
    this.#options = options;
    this.#doorbell = new ControlBlock(this.#controlBlock(options.plan.workerCount)).doorbell;
    this.#board = new AlignmentBoard(options.shared.alignment);
    this.#aligned = alignedPartitions(options.plan);
    this.ingress = this.#buildIngress();
    this.#output = this.#buildOutput();
    this.#egress = this.#buildEgress();
  }

  /** Begins to read topics and rings. */
  start(): void {
    this.#loop = this.#serveDoorbell().catch((error: unknown) => this.#options.onFailure(error as Error));
    this.ingress.start();
    const intervals = this.#aligned.map(({ alignment }) => alignment.updateIntervalMs);
    if (intervals.length === 0) return;
    this.#alignmentTimer = setInterval(() => this.ingress.pumpAligned(), Math.min(...intervals)).unref();
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

  /** The coordinator gave the checkpoint up: channels that wait for its other barriers flow again. */
  abortOutputs(checkpointId: CheckpointId): void {
    this.#output?.abort(checkpointId);
    this.#doorbell.ring();
  }

  /** Reads and writes no more. Takes what is in the rings once: a worker that failed has sent the answer to the request that made it fail. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#alignmentTimer !== null) clearInterval(this.#alignmentTimer);
    this.ingress.stop();
    try {
      this.#egress.drain();
    } finally {
      this.#egress.stop();
      await this.#options.producer.close();
      this.#doorbell.ring();
      await this.#loop;
    }
  }

  /** The one loop of main's data plane: woken by a ring, takes what came and goes on where it waited for room. */
  async #serveDoorbell(): Promise<void> {
    while (!this.#isStopped) {
      const hasWorked = [this.#egress.drain(), this.ingress.resume()].includes(true);
      const seen = this.#doorbell.prepareToSleep();
      if (hasWorked || this.#isStopped || this.#egress.hasWork() || this.ingress.resume()) {
        this.#doorbell.cancelSleep();
        // HTTP and disk get their turn however much the workers send.
        await new Promise((resolve) => setImmediate(resolve));
      } else await this.#doorbell.sleepAsync(seen);
    }
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
    const { plan, port, sinkPartitionCounts, onEgressDurable, onEgressFailed, onCommitWanted, onFailure, clock } =
      this.#options;
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
        repartitioned: RepartitionWatermarks.of(plan, clock),
        sinkTopics: plan.topicSinks.map(({ topic, index, guarantee, repartition }) => ({
          topic,
          partitionCount: sinkPartitionCounts[index] ?? 1,
          isTransactional: guarantee === 'exactly-once',
          isUrgent: repartition?.carriesRequests === true,
        })),
        onCommitWanted,
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
          isHeld: this.#holderOf(channel),
          onFailure,
        });
      }),
    );
  }

  /** `null` for a channel whose source waits for nobody. */
  #holderOf({ consumer }: IngressPlan): ((partition: number) => boolean) | null {
    const ofChannel = this.#aligned.filter(
      ({ vertex, subtask }) => vertex === consumer.vertex && subtask === consumer.subtask,
    );
    if (ofChannel.length === 0) return null;
    const byPartition = new Map(ofChannel.map((aligned) => [aligned.partition, aligned]));
    return (partition) => {
      const aligned = byPartition.get(partition);
      if (aligned === undefined) return false;
      return this.#board.isHeld(aligned.slot, aligned.group, aligned.alignment.maxDriftMs);
    };
  }

  #ring(channelIndex: number): RingDescriptor {
    const ring = this.#options.shared.rings[channelIndex];
    invariant(ring !== undefined && ring !== null, 'each channel has a ring');
    return ring;
  }

  #controlBlock(thread: number): SharedMemoryMap['controlBlocks'][number] {
    const block = this.#options.shared.controlBlocks[thread];
    invariant(block !== undefined, 'each thread has a control block');
    return block;
  }
}
