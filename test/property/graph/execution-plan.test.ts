import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DataStream } from '../../../src/api/data-stream.js';
import type { StreamEnvironment } from '../../../src/api/environment.js';
import { DEFAULT_SHARD_COUNT, shardsOfSubtask } from '../../../src/api/internal/key-groups.js';
import { topicSink } from '../../../src/api/sink.js';
import { jsonSerde } from '../../../src/api/standard-serdes.js';
import type { ExchangeKind, ExecutionPlan, PlanOptions, SubtaskRef } from '../../../src/graph/execution-plan.js';
import { fingerprintOf, firstDifference } from '../../../src/graph/fingerprint.js';
import { planToJson, planToMermaid, planToText } from '../../../src/graph/graph-text.js';
import { graphOf, planOf } from '../../helpers/build-job.js';

/** One step of building a random job: which earlier stream it goes on from, and how. */
interface Step {
  readonly from: number;
  readonly with: number;
  readonly kind: (typeof KINDS)[number];
  readonly parallelism: number | null;
  readonly cut: 'none' | 'startNewChain' | 'disableChaining';
}

const KINDS = [
  'requests',
  'collection',
  'map',
  'reduce',
  'union',
  'rebalance',
  'broadcast',
  'topic',
  'respond',
] as const;

const step: fc.Arbitrary<Step> = fc.record({
  from: fc.nat(),
  with: fc.nat(),
  kind: fc.constantFrom(...KINDS),
  parallelism: fc.option(fc.integer({ min: 1, max: 5 }), { freq: 3 }),
  cut: fc.constantFrom('none', 'none', 'none', 'startNewChain', 'disableChaining'),
});
const steps = fc.array(step, { minLength: 1, maxLength: 25 });
const options: fc.Arbitrary<PlanOptions> = fc.record({
  parallelism: fc.integer({ min: 1, max: 6 }),
  workerCount: fc.integer({ min: 1, max: 4 }),
  shardCount: fc.constant(DEFAULT_SHARD_COUNT),
});

function define(env: StreamEnvironment, stepsOfJob: readonly Step[]): void {
  const streams: DataStream<unknown>[] = [env.requests('GET /first/:key', { key: (request) => request.params.key })];
  for (const [index, each] of stepsOfJob.entries()) {
    const from = streams[each.from % streams.length] as DataStream<unknown>;
    const next = applyStep(env, each, index, from, streams[each.with % streams.length] as DataStream<unknown>);
    if (next !== null) streams.push(next);
  }
}

function applyStep(
  env: StreamEnvironment,
  each: Step,
  index: number,
  from: DataStream<unknown>,
  other: DataStream<unknown>,
): DataStream<unknown> | null {
  switch (each.kind) {
    case 'requests':
      return env.requests(`GET /r${String(index)}`);
    case 'collection':
      return env.fromCollection<unknown>([index]);
    case 'union':
      return from.union(other);
    case 'rebalance':
      return from.rebalance();
    case 'broadcast':
      return from.broadcast();
    case 'topic':
      from.sinkTo(topicSink('out', jsonSerde()));
      return null;
    case 'respond':
      from.respond();
      return null;
    case 'map':
    case 'reduce': {
      const made = each.kind === 'map' ? from.map((value) => value) : from.keyBy(() => 1).reduce((_, value) => value);
      if (each.parallelism !== null) made.setParallelism(each.parallelism);
      if (each.cut !== 'none') made[each.cut]();
      return made;
    }
  }
}

/** Runs a law over random jobs at random sizes. */
function holdsForAnyJob(law: (plan: ExecutionPlan, job: readonly Step[], size: PlanOptions) => void): void {
  fc.assert(
    fc.property(steps, options, (job, size) => {
      law(
        planOf((env) => {
          define(env, job);
        }, size),
        job,
        size,
      );
    }),
  );
}

describe('the plan of any job', () => {
  it('depends on job and options alone, and is plain data', () => {
    holdsForAnyJob((plan, job, size) => {
      const again = planOf((env) => {
        define(env, job);
      }, size);
      expect(structuredClone(again)).toEqual(plan);
    });
  });

  it('runs each operator once, in one chain, whose head alone has inputs', () => {
    holdsForAnyJob((plan, job) => {
      const { nodes } = graphOf((env) => {
        define(env, job);
      });
      const placed = plan.vertices.flatMap(({ operators }) => operators.map(({ node }) => node));
      expect(placed.toSorted((a, b) => a - b)).toEqual(nodes.map(({ index }) => index));
      for (const vertex of plan.vertices) {
        const fed = vertex.operators.flatMap(({ outputs }) =>
          outputs.flatMap((output) => (output.kind === 'chained' ? [output.operator] : [])),
        );
        // A tree in which every operator but the head is fed once, by an operator before it.
        expect(fed.toSorted((a, b) => a - b)).toEqual(vertex.operators.slice(1).map(({ index }) => index));
        for (const { index, outputs } of vertex.operators) {
          for (const output of outputs) if (output.kind === 'chained') expect(output.operator).toBeGreaterThan(index);
        }
      }
    });
  });

  it('carries each edge of the graph once: within a chain, or between two tasks, the first before the second', () => {
    holdsForAnyJob((plan, job) => {
      const { edges } = graphOf((env) => {
        define(env, job);
      });
      const outputs = plan.vertices.flatMap(({ operators }) => operators.flatMap((operator) => operator.outputs));
      expect(outputs).toHaveLength(edges.length);
      expect(outputs.filter(({ kind }) => kind === 'edge')).toHaveLength(plan.edges.length);
      for (const edge of plan.edges) {
        expect(edge.sourceVertex).toBeLessThan(edge.targetVertex);
        expect(plan.vertices[edge.sourceVertex]?.outputEdges).toContain(edge.index);
        expect(plan.vertices[edge.targetVertex]?.inputEdges).toContain(edge.index);
      }
    });
  });

  it('joins the subtasks of each edge as its exchange asks, none twice', () => {
    holdsForAnyJob((plan) => {
      for (const edge of plan.edges) {
        const from = plan.vertices[edge.sourceVertex]?.parallelism ?? 0;
        const to = plan.vertices[edge.targetVertex]?.parallelism ?? 0;
        const pairs = plan.channels.flatMap((channel) =>
          channel.kind === 'exchange' && channel.edge === edge.index
            ? [`${String(channel.producer.subtask)}-${String(channel.consumer.subtask)}`]
            : [],
        );
        expect(new Set(pairs).size).toBe(pairs.length);
        expect(pairs.length).toBe(expectedPairs(edge.exchange, from, to));
      }
    });
  });

  it('feeds every partition of a topic to one subtask: the one that owns its shard', () => {
    holdsForAnyJob((plan, _job, size) => {
      for (const source of plan.topicSources) {
        const parallelism = plan.vertices[source.vertex]?.parallelism ?? 0;
        const ingress = plan.channels.filter(
          (channel) => channel.kind === 'ingress' && channel.topicSource === source.index,
        );
        expect(ingress).toHaveLength(parallelism);
        for (const channel of ingress) {
          if (channel.kind !== 'ingress') continue;
          expect(channel.partitions).toEqual(shardsOfSubtask(channel.consumer.subtask, parallelism, size.shardCount));
        }
      }
    });
  });

  it('numbers channels by their place, and puts each end on the worker of its subtask', () => {
    holdsForAnyJob((plan, _job, { workerCount }) => {
      expect(plan.channels.map(({ index }) => index)).toEqual(plan.channels.map((_, place) => place));
      for (const channel of plan.channels) {
        const ends: SubtaskRef[] = [];
        if (channel.kind !== 'ingress') ends.push(channel.producer);
        if (channel.kind !== 'egress') ends.push(channel.consumer);
        for (const { vertex, subtask, worker } of ends) {
          expect(subtask).toBeLessThan(plan.vertices[vertex]?.parallelism ?? 0);
          expect(worker).toBe(subtask % workerCount);
        }
      }
    });
  });

  it('can be drawn, every task and operator in it', () => {
    holdsForAnyJob((plan) => {
      const text = planToText(plan);
      for (const { index } of plan.vertices) expect(text).toContain(`\n[${String(index)}] `);
      expect(planToMermaid(plan).match(/ subgraph /g)).toHaveLength(plan.vertices.length);
      expect(planToJson(plan).nodes.map(({ inputs }) => inputs.length)).toEqual(
        plan.vertices.map(({ inputEdges }) => inputEdges.length),
      );
    });
  });
});

describe('the fingerprint of any job', () => {
  it('is equal for the same job, and differs when a step is left out', () => {
    fc.assert(
      fc.property(steps, (job) => {
        const print = (kept: readonly Step[]) =>
          fingerprintOf(
            graphOf((env) => {
              define(env, kept);
            }),
          );
        expect(firstDifference(print(job), structuredClone(print(job)))).toBeNull();
        const last = job.at(-1);
        // A stream that is only seen differently, and by nobody, leaves no trace in the graph.
        const isVirtual = last?.kind === 'union' || last?.kind === 'rebalance' || last?.kind === 'broadcast';
        const difference = firstDifference(print(job), print(job.slice(0, -1)));
        if (isVirtual) expect(difference).toBeNull();
        else expect(difference).toMatch(/^operator \d+ is missing in the worker and .* on main$/);
      }),
    );
  });
});

function expectedPairs(exchange: ExchangeKind, from: number, to: number): number {
  return exchange === 'forward' ? from : from * to;
}
