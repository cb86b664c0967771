import { defineJob, type JobDefinition } from '../../src/api/job.js';
import type { OnError } from '../../src/api/internal/transformation.js';
import type { StreamEnvironment } from '../../src/api/environment.js';
import { systemClock, systemMonotonicClock } from '../../src/base/clock.js';
import type { MillraceError } from '../../src/base/errors.js';
import { createExecutionPlan } from '../../src/graph/create-execution-plan.js';
import type { ExecutionPlan, PlanChannel } from '../../src/graph/execution-plan.js';
import { buildStreamGraph } from '../../src/graph/stream-graph.js';
import { allocateTaskCounters, taskCountersFootprintBytes } from '../../src/metrics/counter-layout.js';
import { TaskCountersWriter } from '../../src/metrics/counters.js';
import { ChannelOutput } from '../../src/protocol/channel-output.js';
import type { Culprit } from '../../src/protocol/culprit.js';
import { BARRIER, decodeNumber, END_OF_INPUT, TOPIC_BATCH } from '../../src/protocol/stream-element.js';
import { TopicRecordCursor } from '../../src/protocol/topic-record-codec.js';
import { ChannelReader } from '../../src/shared-memory/channel-reader.js';
import { ChannelWriter } from '../../src/shared-memory/channel-writer.js';
import { Doorbell } from '../../src/shared-memory/doorbell.js';
import { allocateRing, ringFootprintBytes, SharedRegion } from '../../src/shared-memory/shared-region.js';
import type { RingDescriptor } from '../../src/shared-memory/shared-region.js';
import { MemoryStateStore } from '../../src/state/memory-state-store.js';
import { shardsOfSubtask } from '../../src/api/internal/key-groups.js';
import { LocalChannel } from '../../src/workers/local-channel.js';
import { buildTask } from '../../src/workers/task-builder.js';
import type { Task } from '../../src/workers/task.js';
import { WorkerRecordScope } from '../../src/workers/worker-record-scope.js';
import { makeAlignmentBoard, makeControlBlock } from './shared-memory.js';

/** What left the job towards main. */
export interface EgressElement {
  readonly kind: 'record' | 'barrier' | 'end';
  readonly channel: number;
  /** The sink's index, -1 for an answer; the checkpoint of a barrier. */
  readonly number: number;
  readonly key: string | null;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface TopologyOptions {
  readonly parallelism: number;
  readonly ringBytes: number;
  readonly onError?: OnError;
  /** Whether tasks hand elements over as within a worker, in place of rings as between two. */
  readonly isLocal?: boolean;
  /** What has failed too often. */
  readonly setAside?: readonly Culprit[];
}

/**
 * Every task of a job in this one thread, over real rings: the caller decides whose turn it is. Stands in for workers and
 * main, so that an order of steps can be chosen and repeated.
 */
export class TaskTopology {
  readonly plan: ExecutionPlan;
  readonly tasks: readonly Task[];
  readonly snapshots: { readonly vertex: number; readonly subtask: number; readonly checkpointId: number }[] = [];
  readonly finished: { readonly vertex: number; readonly subtask: number }[] = [];
  readonly skipped: MillraceError[] = [];
  readonly fatal: (Culprit | null)[] = [];
  readonly printed: string[] = [];
  readonly #rings: readonly RingDescriptor[];
  readonly #egress: readonly { readonly channel: PlanChannel; readonly reader: ChannelReader }[];
  readonly #cursor = new TopicRecordCursor();

  constructor(build: (env: StreamEnvironment) => void, options: TopologyOptions) {
    const job: JobDefinition = defineJob('topology', build, { onError: options.onError ?? 'reject' });
    const graphOf = (): ReturnType<typeof buildStreamGraph> => buildStreamGraph(job.build());
    const { parallelism, ringBytes } = options;
    this.plan = createExecutionPlan(graphOf(), { parallelism, workerCount: 1, shardCount: 16 });
    this.#rings = this.plan.channels.map(({ index }) =>
      allocateRing(SharedRegion.allocate(ringFootprintBytes(ringBytes)), ringBytes, index),
    );
    const graphs = Array.from({ length: 16 }, graphOf);
    const stores = new Map<string, MemoryStateStore>();
    const controlBlock = makeControlBlock();
    const locals = this.plan.channels.map(({ kind, index }) =>
      options.isLocal === true && kind === 'exchange' ? new LocalChannel(index) : null,
    );
    this.tasks = this.plan.vertices.flatMap((vertex) =>
      Array.from({ length: vertex.parallelism }, (_, subtask) =>
        buildTask(
          {
            plan: this.plan,
            graphOf: (index) => graphs[index] ?? graphOf(),
            openReader: (channel) => new ChannelReader(this.#ring(channel), { producer: nobody() }),
            openWriter: (channel) => new ChannelWriter(this.#ring(channel), { consumer: nobody() }),
            localChannel: (channel) => locals[channel] ?? null,
            alignmentBoard: makeAlignmentBoard(0),
            openCounters: () => {
              const region = SharedRegion.allocate(taskCountersFootprintBytes(vertex.operators.length));
              return new TaskCountersWriter(allocateTaskCounters(region, vertex.operators.length));
            },
            openKeyedState: (namespace, index, operatorId) => {
              const name = `${namespace}#${String(index)}`;
              const shards = shardsOfSubtask(index, vertex.parallelism, 16);
              const store = stores.get(name) ?? new MemoryStateStore({ shardCount: 16, shards, clock: systemClock });
              stores.set(name, store);
              return store.openBackend(operatorId);
            },
            restored: null,
            outcomesOf: () => null,
            newScope: () => new WorkerRecordScope(controlBlock),
            setAside: options.setAside ?? [],
            clock: systemClock,
            attempt: 0,
            worker: 0,
            spans: { add: () => undefined, newSpanId: () => '0000000000000001' },
            mailbox: { wake: () => undefined, addPending: () => undefined },
            writeLine: (line) => void this.printed.push(line),
            taskEvents: {
              clock: systemMonotonicClock,
              onSnapshot: ({ name }, checkpointId) => void this.snapshots.push({ ...name, checkpointId }),
              onSkipped: (error) => void this.skipped.push(error),
              onFatal: (culprit) => void this.fatal.push(culprit),
              onFinished: ({ name }) => void this.finished.push(name),
            },
          },
          vertex,
          subtask,
        ),
      ),
    );
    this.#egress = this.plan.channels
      .filter(({ kind }) => kind === 'egress')
      .map((channel) => ({
        channel,
        reader: new ChannelReader(this.#ring(channel.index), { producer: nobody() }),
      }));
    for (const task of this.tasks.toReversed()) task.chain.open();
  }

  /** Main's end of an ingress channel. */
  ingress(channel: number): ChannelOutput {
    return new ChannelOutput(new ChannelWriter(this.#ring(channel), { consumer: nobody() }), TOPIC_BATCH);
  }

  /** One step of a task. It ends after its first frame, so that rings fill. */
  step(task: Task): boolean {
    return task.runStep(0);
  }

  /** Takes what is in the channels to main. */
  drain(): EgressElement[] {
    const elements: EgressElement[] = [];
    for (const { channel, reader } of this.#egress) {
      while (reader.poll()) {
        this.#take(channel.index, reader, elements);
        reader.release();
      }
    }
    return elements;
  }

  /** Steps every task in the order of `turns`, and drains, until nobody can do anything. */
  runToIdle(turns: (round: number) => readonly Task[] = () => this.tasks, roundsMax = 100_000): EgressElement[] {
    const elements: EgressElement[] = [];
    // A look at one task may make room or hand over a piece for another that was looked at before: no doorbell is here to say so.
    const idleRoundsMax = 3 * (this.tasks.length + 2);
    let idleRounds = 0;
    for (let round = 0; round < roundsMax; round++) {
      let hasWorked = false;
      for (const task of turns(round)) hasWorked = this.step(task) || hasWorked;
      // Also a piece of a record that is larger than its ring.
      hasWorked = this.#egress.some(({ reader }) => !reader.isEmpty()) || hasWorked;
      const drained = this.drain();
      elements.push(...drained);
      const isAnyRunnable = this.tasks.map((task) => task.isRunnable()).includes(true);
      idleRounds = hasWorked || drained.length > 0 || isAnyRunnable ? 0 : idleRounds + 1;
      if (idleRounds > idleRoundsMax) return elements;
    }
    throw new Error('the tasks never come to rest');
  }

  #take(channel: number, reader: ChannelReader, elements: EgressElement[]): void {
    const { kind, frame, start, end } = reader;
    const empty = { channel, number: 0, key: null, value: '', headers: {} };
    if (kind === BARRIER) elements.push({ ...empty, kind: 'barrier', number: decodeNumber(frame, start) });
    else if (kind === END_OF_INPUT) elements.push({ ...empty, kind: 'end' });
    else {
      this.#cursor.open(frame, start, end);
      while (this.#cursor.advance()) {
        elements.push({
          kind: 'record',
          channel,
          number: this.#cursor.offset,
          key: this.#cursor.key?.toString('utf8') ?? null,
          value: this.#cursor.value?.toString('utf8') ?? '',
          headers: Object.fromEntries(
            this.#cursor.headers.map(([name, value]) => [name, Buffer.from(value).toString('utf8')]),
          ),
        });
      }
    }
  }

  #ring(channel: number): RingDescriptor {
    const ring = this.#rings[channel];
    if (ring === undefined) throw new Error(`the plan has no channel ${String(channel)}`);
    return ring;
  }
}

function nobody(): Doorbell {
  return new Doorbell(makeControlBlock());
}
