/**
 * Builds the tasks of one worker from the execution plan and the job's stream graph: rings to input channels, operators to
 * chains, edges to record writers. Runs once, at deployment; what it builds is {@link Task}.
 *
 * Thread: its worker.
 */
import type { KeyedStateBackend } from '../api/internal/state-backend.js';
import type { Serde } from '../api/serde.js';
import { MillraceError } from '../base/errors.js';
import { invariant } from '../base/invariant.js';
import type { ExchangeChannel, IngressChannel, PlanOperator, PlanVertex } from '../graph/execution-plan.js';
import { alignedPartitions } from '../graph/source-alignment.js';
import { isSource, type StreamGraph, type StreamNode } from '../graph/stream-graph.js';
import type { TaskCountersWriter } from '../metrics/counters.js';
import { SeededPrng } from '../base/prng.js';
import { createOperator } from '../operators/operator-factory.js';
import { OperatorRuntimeContext } from '../operators/operator-runtime-context.js';
import type { OperatorContext, OutcomeRecall, Output, RecordScope } from '../operators/operator.js';
import type { ChannelOutput } from '../protocol/channel-output.js';
import { MessagePackSerde } from '../protocol/msgpack-serde.js';
import type { SpanPlace } from '../protocol/trace-span.js';
import { RespondSinkOperator, TopicSinkOperator } from './egress-sinks.js';
import { fusedInputs } from './fused-steps.js';
import { GeneratorSource, POSITION_STATE } from './generator-source.js';
import { openTopicReader } from './open-topic-reader.js';
import { KeySampler } from './key-sampler.js';
import { RecordSampler } from './record-sampler.js';
import { InputChannel, type TopicRecordReader } from './input-channel.js';
import {
  type ChainHead,
  type ChainTarget,
  createChainOutput,
  inputsInto,
  type OperatorTally,
  type OutputTargets,
} from './operator-chain.js';
import { OutputSequence } from './output-sequence.js';
import { openEdgeWriter, openEgress } from './task-outputs.js';
import type { RecordWriter } from './record-writer.js';
import { noResponder, ResponseWriter } from './response-writer.js';
import type { TaskHost } from './task-host.js';
import { Task, type TaskOptions, type TaskOutput } from './task.js';
import { type AnyOperator, type ChainedOperator, RestoredOperatorStates, TaskChain } from './task-chain.js';
import { TaskFailures } from './task-failures.js';
import { WorkerMailbox } from './task-mailbox.js';
import { TaskTimerService } from './task-timer-service.js';
import { LateOutput, type TracedOperator, TaskTracer } from './task-tracer.js';
import { RepartitionReader } from './repartition-reader.js';
import { RepartitionSinkOperator } from './repartition-sink.js';
import { WatermarkedSource } from './watermarked-source.js';
import { WatermarkValve } from './watermark-valve.js';

/** Builds one subtask of a vertex. Its operators are not opened yet. */
export function buildTask(host: TaskHost, vertex: PlanVertex, subtask: number): Task {
  return new TaskBuilder(host, vertex, subtask).build();
}

class TaskBuilder {
  readonly #host: TaskHost;
  readonly #vertex: PlanVertex;
  readonly #subtask: number;
  readonly #graph: StreamGraph;
  readonly #scope: RecordScope;
  readonly #timers: TaskTimerService;
  readonly #mailbox: WorkerMailbox;
  readonly #counters: TaskCountersWriter;
  readonly #tracer: TaskTracer;
  readonly #serde: Serde<unknown> = new MessagePackSerde<unknown>();
  readonly #outputs: TaskOutput[] = [];
  /** By graph edge of the plan. */
  readonly #writers = new Map<number, RecordWriter>();
  readonly #tallies: readonly OperatorTally[];
  readonly #egress: ChannelOutput | null;
  readonly #responses: ResponseWriter | null;
  readonly #failures: TaskFailures;
  /** One for each sink. */
  readonly #sequences: OutputSequence[] = [];
  #generator: GeneratorSource | null = null;
  #task: Task | null = null;

  constructor(host: TaskHost, vertex: PlanVertex, subtask: number) {
    this.#host = host;
    this.#vertex = vertex;
    this.#subtask = subtask;
    this.#graph = host.graphOf(subtask);
    this.#scope = host.newScope();
    this.#timers = new TaskTimerService(host.clock, host.taskEvents.clock);
    this.#mailbox = new WorkerMailbox(host.mailbox);
    this.#counters = host.openCounters(vertex.index, subtask);
    this.#tallies = vertex.operators.map(() => ({ numRecordsIn: 0, numRecordsOut: 0, sampleAt: Infinity }));
    this.#tracer = new TaskTracer({
      scope: this.#scope,
      clock: host.taskEvents.clock,
      sink: host.spans,
      replyPlace: this.#placeOf(vertex.operators.at(-1)),
    });
    const egress = openEgress(host, vertex, subtask);
    this.#egress = egress?.output ?? null;
    this.#responses = egress?.responds === true ? new ResponseWriter(egress.output, host.clock, this.#tracer) : null;
    if (this.#egress !== null) this.#outputs.push(this.#egress);
    this.#failures = new TaskFailures({
      host,
      vertex,
      scope: this.#scope,
      serde: this.#serde,
      egress: this.#egress,
      responses: this.#responses,
      flush: () => {
        for (const output of this.#outputs) output.flush();
      },
    });
  }

  build(): Task {
    for (const edge of this.#vertex.outputEdges) this.#openEdge(edge);
    const { operators, heads } = this.#buildOperators();
    const inputs = this.#openInputs(heads.map(({ plain }) => plain));
    for (const sequence of this.#sequences) sequence.follow(inputs[0]?.topicReader ?? null);
    const chain = new TaskChain({
      taskName: this.#vertex.name,
      subtask: this.#subtask,
      operators,
      counters: this.#counters,
      stateSerde: this.#serde,
    });
    const { onSnapshot, onFinished, clock } = this.#host.taskEvents;
    this.#task = new Task({
      onSnapshot,
      onFinished,
      clock,
      name: { vertex: this.#vertex.index, subtask: this.#subtask },
      inputs,
      // A source in the worker has no inputs, and no watermarks to combine.
      valves: this.#generator === null ? heads.map(({ plain }, index) => this.#valveFor(plain, inputs, index + 1)) : [],
      heads,
      generator: this.#generator,
      source: this.#sourceStatus(heads, inputs),
      chain,
      outputs: this.#outputs,
      failedRecords: this.#failures.policy,
      deadLetters: this.#failures.deadLetters,
      scope: this.#scope,
      timers: this.#timers,
      mailbox: this.#mailbox,
      counters: this.#counters,
    });
    return this.#task;
  }

  #sourceStatus([head]: readonly ChainHead[], inputs: readonly InputChannel[]): TaskOptions['source'] {
    const [operator] = this.#vertex.operators;
    if (operator === undefined || !isSource(this.#nodeOf(operator))) return null;
    const reader = inputs[0]?.topicReader;
    const plain = head?.plain;
    const watermarks = reader instanceof RepartitionReader ? reader : plain instanceof WatermarkedSource ? plain : null;
    return { operatorId: operator.id, watermarks, isStandby: this.#host.plan.ownedShards?.length === 0 };
  }

  #openEdge(edgeIndex: number): void {
    const writer = openEdgeWriter(this.#host, {
      vertex: this.#vertex,
      subtask: this.#subtask,
      graph: this.#graph,
      edgeIndex,
      serde: this.#serde,
      scope: this.#scope,
    });
    this.#writers.set(edgeIndex, writer);
    this.#outputs.push(writer);
  }

  /** Built from the last to the first, since each output needs its targets. */
  #buildOperators(): { operators: ChainedOperator[]; heads: ChainHead[] } {
    const built: ChainedOperator[] = [];
    const inputsOf: (readonly ChainTarget[])[] = [];
    const heads: ChainHead[] = [];
    for (const plan of this.#vertex.operators.toReversed()) {
      const node = this.#nodeOf(plan);
      const targets = this.#targetsOf(plan, inputsOf);
      const output = createChainOutput(targets, this.#tallyOf(plan));
      this.#tracer.link(output, targets);
      const { operator, inputs, keyedState } = this.#buildOperator(plan, node, output, targets);
      built.unshift(operator);
      inputsOf[plan.index] = inputs;
      const traced = this.#tracedOperator(plan, keyedState);
      heads.splice(0, Infinity, ...inputs.map((plain) => ({ plain, traced: this.#tracer.targetFor(plain, traced) })));
    }
    return { operators: built, heads };
  }

  #buildOperator(
    plan: PlanOperator,
    node: StreamNode,
    output: Output<unknown>,
    targets: OutputTargets,
  ): { operator: ChainedOperator; inputs: ChainTarget[]; keyedState: KeyedStateBackend | null } {
    if (isSource(node)) {
      return {
        operator: this.#buildSource(plan, node),
        inputs: [this.#sourceOutput(node, output)],
        keyedState: null,
      };
    }
    const operator = this.#createOperator(plan, node);
    const keyedState =
      plan.stateNamespace === null ? null : this.#host.openKeyedState(plan.stateNamespace, this.#subtask, plan.id);
    const isLate = operator.pendingCount !== undefined || node.spec.kind === 'gather';
    const late = isLate
      ? new LateOutput(this.#scope, output, this.#tracer.targetFor(output, this.#tracedOperator(plan, keyedState)))
      : output;
    const keys = keyedState === null ? null : new KeySampler(keyedState);
    const samples = this.#recordSampler(plan, keys);
    const linked = inputsInto(operator, this.#tallyOf(plan), samples);
    return {
      operator: { ...this.#withContext(plan, { operator, output: late, keyedState }), keys },
      inputs: fusedInputs(operator, linked, targets, this.#tallyOf(plan), samples),
      keyedState,
    };
  }

  #tracedOperator(plan: PlanOperator, keyedState: KeyedStateBackend | null): TracedOperator {
    return { name: plan.name, place: this.#placeOf(plan), tally: this.#tallyOf(plan), keyedState };
  }

  #placeOf(plan: PlanOperator | undefined): SpanPlace {
    const { worker, attempt } = this.#host;
    return { vertex: this.#vertex.id, subtask: this.#subtask, worker, operator: plan?.id ?? '', attempt };
  }

  #targetsOf(
    plan: PlanOperator,
    inputsOf: readonly (readonly ChainTarget[])[],
  ): {
    main: ChainTarget[];
    side: Map<string, ChainTarget[]>;
  } {
    const main: ChainTarget[] = [];
    const side = new Map<string, ChainTarget[]>();
    for (const output of plan.outputs) {
      const target =
        output.kind === 'edge' ? this.#writers.get(output.edge) : inputsOf[output.operator]?.[output.input - 1];
      invariant(target !== undefined, 'an output of the plan leads somewhere');
      if (output.sideTag === null) main.push(target);
      else side.set(output.sideTag, [...(side.get(output.sideTag) ?? []), target]);
    }
    return { main, side };
  }

  #buildSource(plan: PlanOperator, node: StreamNode): ChainedOperator {
    const { spec } = node;
    const base = {
      id: plan.id,
      operator: null,
      context: null,
      tally: this.#tallyOf(plan),
      counters: newCounters(),
      keys: null,
    };
    if (spec.kind !== 'collection-source' && spec.kind !== 'generator-source') return { ...base, snapshotSource: null };
    const generator = new GeneratorSource(
      spec,
      { index: this.#subtask, parallelism: this.#vertex.parallelism },
      this.#restoredStateOf(plan.id).restored(POSITION_STATE),
    );
    this.#generator = generator;
    return { ...base, snapshotSource: () => ({ [POSITION_STATE]: generator.snapshot() }) };
  }

  #sourceOutput(node: StreamNode, output: Output<unknown>): ChainTarget {
    const ingress = this.#host.plan.channels.find(
      (channel) => channel.kind === 'ingress' && this.#isConsumer(channel),
    ) as IngressChannel | undefined;
    if (ingress?.partitions.length === 0) return this.#idleSource(output);
    const strategy = node.watermarks;
    if (strategy === null || (strategy.kind === 'none' && strategy.timestampAssigner === null)) return output;
    const partitions = ingress?.partitions ?? [0];
    return new WatermarkedSource({
      strategy,
      output,
      scope: this.#scope,
      timers: this.#timers,
      partitions,
      alignedPartitions: alignedPartitions(this.#host.plan).filter(
        ({ vertex, subtask }) => vertex === this.#vertex.index && subtask === this.#subtask,
      ),
      board: this.#host.alignmentBoard,
    });
  }

  /** Has no topic partition, as other instances own its shards: nobody must wait for its event time. */
  #idleSource(output: Output<unknown>): ChainTarget {
    this.#timers.registerDelay(0, () => output.emitStatus('IDLE'));
    return output;
  }

  #createOperator(plan: PlanOperator, node: StreamNode): AnyOperator {
    const { spec } = node;
    switch (spec.kind) {
      case 'topic-sink':
        invariant(plan.topicSink !== null && this.#egress !== null, 'a topic sink has a channel to main');
        return new TopicSinkOperator(spec, {
          sinkIndex: plan.topicSink,
          egress: this.#egress,
          sequence: this.#outputSequence(),
        });
      case 'repartition-sink':
        invariant(plan.topicSink !== null && this.#egress !== null, 'a repartition sink has a channel to main');
        return new RepartitionSinkOperator(spec, {
          sinkIndex: plan.topicSink,
          shardCount: this.#host.plan.shardCount,
          serde: this.#serde,
          egress: this.#egress,
        });
      case 'respond-sink':
        return new RespondSinkOperator(spec);
      case 'requests':
      case 'topic-source':
      case 'collection-source':
      case 'generator-source':
      case 'repartition-source':
        throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'a source is not an operator');
      default:
        return createOperator(spec, { writeLine: (line) => this.#host.writeLine(line) });
    }
  }

  /** `null` unless the plan wants one, and every record of this chain is made of the one that was read last. */
  #outputSequence(): OutputSequence | null {
    const { plan } = this.#host;
    const { topicSource, operators } = this.#vertex;
    const source = topicSource === null ? undefined : plan.topicSources[topicSource];
    if (!plan.numbersOutput || source === undefined) return null;
    if (operators.some(({ kind }) => kind === 'async-wait')) return null;
    const sequence = new OutputSequence(source.topic, this.#scope);
    this.#sequences.push(sequence);
    return sequence;
  }

  #withContext(
    plan: PlanOperator,
    parts: { operator: AnyOperator; output: Output<unknown>; keyedState: KeyedStateBackend | null },
  ): ChainedOperator {
    const { jobName } = this.#host.plan;
    const { operator, output, keyedState } = parts;
    const counters = newCounters();
    const outcomes = this.#outcomesOf(plan);
    const context: OperatorContext<unknown> = {
      runtime: new OperatorRuntimeContext(
        {
          jobName,
          taskName: plan.name,
          parallelism: this.#vertex.parallelism,
          indexOfThisSubtask: this.#subtask,
          attemptNumber: this.#host.attempt,
        },
        keyedState,
        this.#host.taskEvents.clock,
      ),
      output,
      keyedState,
      operatorState: this.#restoredStateOf(plan.id),
      processingTime: this.#timers,
      scope: this.#scope,
      responder: this.#responses ?? noResponder,
      counters,
      mailbox: this.#mailbox,
      failures: this.#failures,
      ...(outcomes === null ? {} : { outcomes }),
      operatorId: plan.id,
    };
    return { id: plan.id, operator, context, tally: this.#tallyOf(plan), counters, snapshotSource: null, keys: null };
  }

  #outcomesOf({ id, kind }: PlanOperator): OutcomeRecall | null {
    return kind === 'async-wait' ? this.#host.outcomesOf(id, () => this.#task?.snapshotTaken ?? 0) : null;
  }

  #recordSampler(plan: PlanOperator, keys: KeySampler | null): RecordSampler {
    this.#tallyOf(plan).sampleAt = 1;
    return new RecordSampler({
      keys,
      counters: this.#counters,
      operatorIndex: plan.index,
      scope: this.#scope,
      clock: this.#host.clock,
      // Seeded by its place: what is sampled decides nothing, and a test can repeat it.
      prng: new SeededPrng(this.#vertex.index * 1024 + this.#subtask),
    });
  }

  #openInputs(heads: readonly ChainTarget[]): InputChannel[] {
    const counts = [0, 0];
    const inputs: InputChannel[] = [];
    for (const channel of this.#host.plan.channels) {
      if (channel.kind === 'egress' || !this.#isConsumer(channel)) continue;
      const input = channel.kind === 'ingress' ? 1 : (this.#host.plan.edges[channel.edge]?.input ?? 1);
      const indexInInput = counts[input - 1] ?? 0;
      counts[input - 1] = indexInInput + 1;
      inputs.push(
        new InputChannel({
          source: this.#host.localChannel(channel.index) ?? this.#host.openReader(channel.index),
          channel: channel.index,
          input,
          indexInInput,
          serde: this.#serde,
          topicReader: channel.kind === 'ingress' ? this.#topicReader(channel, heads) : null,
        }),
      );
    }
    return inputs;
  }

  #isConsumer(channel: IngressChannel | ExchangeChannel): boolean {
    return channel.consumer.vertex === this.#vertex.index && channel.consumer.subtask === this.#subtask;
  }

  #topicReader(channel: IngressChannel, heads: readonly ChainTarget[]): TopicRecordReader | null {
    return openTopicReader(
      {
        host: this.#host,
        vertex: this.#vertex,
        subtask: this.#subtask,
        graph: this.#graph,
        scope: this.#scope,
        serde: this.#serde,
        responses: this.#responses,
        now: () => this.#timers.now(),
      },
      channel,
      heads,
    );
  }

  #valveFor(head: ChainTarget, inputs: readonly InputChannel[], input: number): WatermarkValve {
    const channelCount = inputs.filter((channel) => channel.input === input).length;
    return new WatermarkValve(channelCount, head, () => this.#timers.now());
  }

  #nodeOf(plan: PlanOperator): StreamNode {
    const node = this.#graph.nodes[plan.node];
    invariant(node !== undefined, 'an operator of the plan is a node of the graph');
    return node;
  }

  #tallyOf(plan: PlanOperator): OperatorTally {
    const tally = this.#tallies[plan.index];
    invariant(tally !== undefined, 'each operator has a tally');
    return tally;
  }

  #restoredStateOf(operatorId: string): RestoredOperatorStates {
    const restored = this.#host.restored?.operators.find(
      (state) => state.operatorId === operatorId && state.subtask === this.#subtask,
    );
    return new RestoredOperatorStates(restored ?? null, this.#serde);
  }
}

function newCounters(): { numLateRecordsDropped: number; numFiredTimers: number } {
  return { numLateRecordsDropped: 0, numFiredTimers: 0 };
}
