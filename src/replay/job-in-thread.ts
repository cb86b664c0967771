import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { JobDefinition } from '../api/job.js';
import { CORRELATION_ID_HEADER } from '../api/internal/request-headers.js';
import { headerTextOf } from '../api/internal/record-block.js';
import { invariant } from '../base/invariant.js';
import type { TopicRecord } from '../connectors/topic.js';
import type { EgressChannel, ExecutionPlan, IngressChannel, PlanTopicSource } from '../graph/execution-plan.js';
import { allocateSharedMemory } from '../main/shared-memory-plan.js';
import { ChannelOutput } from '../protocol/channel-output.js';
import type { WorkerEvent } from '../protocol/control-message.js';
import type { RestoredJob, StateSettings } from '../protocol/deployment.js';
import { TOPIC_BATCH } from '../protocol/stream-element.js';
import { encodeTopicRecord, RESPONSE_SINK, TopicRecordCursor } from '../protocol/topic-record-codec.js';
import { ChannelReader } from '../shared-memory/channel-reader.js';
import { ChannelWriter } from '../shared-memory/channel-writer.js';
import { ControlBlock } from '../shared-memory/control-block.js';
import type { Doorbell } from '../shared-memory/doorbell.js';
import type { RingDescriptor } from '../shared-memory/shared-region.js';
import { WorkerRuntime } from '../workers/worker-runtime.js';
import { type Answer, answerOf } from './recorded-requests.js';
import type { ReplayClock } from './replay-clock.js';

const RING_BYTES = 1024 * 1024;

export interface JobInThreadOptions {
  /** Of one worker. */
  readonly plan: ExecutionPlan;
  readonly job: JobDefinition;
  /** URL of the job module. */
  readonly jobModule: string;
  readonly state: StateSettings;
  /** `null` for a start from nothing. */
  readonly restored: RestoredJob | null;
  readonly clock: ReplayClock;
  /** Ids of the requests whose answers are kept. */
  readonly wanted: ReadonlySet<string>;
  readonly onPrinted: (text: string) => void;
}

/**
 * A whole job in this thread: the one worker that has all of its tasks, and what main does for it. Records go in by {@link put};
 * the answers that are wanted are kept, the rest of what comes out is dropped. Nothing runs but within {@link settleAt}, so that a debugger
 * sees one record's way from its source to its answer.
 */
export class JobInThread {
  readonly #clock: ReplayClock;
  readonly #wanted: ReadonlySet<string>;
  readonly #runtime: WorkerRuntime;
  readonly #events: MessagePort;
  readonly #inputs: readonly { readonly channel: IngressChannel; readonly output: ChannelOutput }[];
  readonly #outputs: readonly ChannelReader[];
  readonly #cursor = new TopicRecordCursor();
  readonly #answers = new Map<string, Answer>();

  private constructor({ plan, jobModule, state, clock, wanted, onPrinted }: JobInThreadOptions) {
    const shared = allocateSharedMemory(plan, RING_BYTES);
    const { port1: eventPort, port2: events } = new MessageChannel();
    events.on('message', (event: WorkerEvent) => {
      if (event.kind === 'printed') onPrinted(event.text);
    });
    this.#clock = clock;
    this.#wanted = wanted;
    this.#events = events;
    const deployment = { worker: 0, plan, jobModule, shared, state, attempt: 0, eventPort, commandPort: eventPort };
    this.#runtime = new WorkerRuntime(deployment, { wall: clock, monotonic: clock });
    const doorbells = shared.controlBlocks.map((block) => new ControlBlock(block).doorbell);
    const doorbell = doorbells[0] as Doorbell;
    const ringOf = ({ index }: IngressChannel | EgressChannel): RingDescriptor => {
      const ring = shared.rings[index];
      invariant(ring !== undefined && ring !== null, 'each channel between main and a worker has a ring');
      return ring;
    };
    this.#inputs = plan.channels
      .filter((channel): channel is IngressChannel => channel.kind === 'ingress')
      .map((channel) => {
        const output = new ChannelOutput(new ChannelWriter(ringOf(channel), { consumer: doorbell }), TOPIC_BATCH);
        return { channel, output };
      });
    this.#outputs = plan.channels
      .filter((channel): channel is EgressChannel => channel.kind === 'egress')
      .map((channel) => new ChannelReader(ringOf(channel), { producer: doorbell }));
  }

  /** Restores the job's state, and opens its functions. */
  static async start(options: JobInThreadOptions): Promise<JobInThread> {
    const started = new JobInThread(options);
    started.#runtime.prepare(options.job);
    await started.#runtime.deploy(options.restored, []);
    return started;
  }

  /** Puts a record before its source, which takes it in the next {@link settleAt}. */
  put(source: PlanTopicSource, record: TopicRecord): void {
    const input = this.#inputs.find(
      ({ channel }) => channel.topicSource === source.index && channel.partitions.includes(record.partition),
    );
    invariant(input !== undefined, 'each partition of a source has a channel');
    encodeTopicRecord(input.output.batch, record);
    input.output.recordWritten();
    input.output.flush();
  }

  /**
   * Sets the time, and runs until nothing is left to be done, promises of the job's functions included.
   *
   * @throws what fails the job, and would have to be judged by its restart strategy
   */
  async settleAt(ms: number): Promise<void> {
    this.#clock.advanceTo(ms);
    for (;;) {
      const hasWorked = [this.#runtime.turn(), this.#moveInputs(), this.#takeOutputs()].includes(true);
      if (hasWorked) continue;
      if (!this.#runtime.hasPromises) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Whether every request whose answer is wanted has one. */
  get hasAnswered(): boolean {
    return this.#answers.size === this.#wanted.size;
  }

  /** The answer to a request; `null` while there is none. */
  answerTo(id: string): Answer | null {
    return this.#answers.get(id) ?? null;
  }

  async close(): Promise<void> {
    try {
      await this.#runtime.close();
    } finally {
      this.#events.close();
    }
  }

  /** A record larger than the ring goes in piece by piece. */
  #moveInputs(): boolean {
    let hasMoved = false;
    for (const { output } of this.#inputs) {
      if (!output.hasOverflow) continue;
      output.drainOverflow();
      hasMoved = true;
    }
    return hasMoved;
  }

  #takeOutputs(): boolean {
    let hasTaken = false;
    for (const reader of this.#outputs) {
      while (reader.poll()) {
        if (reader.kind === TOPIC_BATCH) this.#takeAnswers(reader);
        reader.release();
        hasTaken = true;
      }
    }
    return hasTaken;
  }

  #takeAnswers({ frame, start, end }: ChannelReader): void {
    const cursor = this.#cursor;
    cursor.open(frame, start, end);
    while (cursor.advance()) {
      if (cursor.offset !== RESPONSE_SINK) continue;
      const id = headerTextOf(cursor, CORRELATION_ID_HEADER, 'utf8') ?? '';
      if (this.#wanted.has(id) && !this.#answers.has(id)) this.#answers.set(id, answerOf(cursor));
    }
  }
}
