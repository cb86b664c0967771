import type { TopicPosition } from '../base/topic-position.js';
import type { ExecutionPlan, PlanTopicSource } from '../graph/execution-plan.js';
import type { IngressRouter } from './ingress-router.js';

export interface RecordPassageOptions {
  readonly plan: ExecutionPlan;
  readonly ingress: () => IngressRouter | null;
  /** Asks every worker to say when its subtasks of a vertex have taken in what waits for them now. */
  readonly watch: (vertex: number, ticket: number) => Promise<unknown>;
}

/**
 * Waits until a record, and everything that operators have made of it, has come through a vertex.
 *
 * ```text
 *   main forwards the record ─▶ source vertex: takes in what waits ─▶ next vertex: takes in what waits ─▶ … ─▶ the vertex asked for
 * ```
 *
 * Hop by hop, from the source on, each vertex on the way is asked only when the one before it has handed on: what waits for it
 * then includes what came of the record. Nothing is sent through the rings, and nothing stops. What an operator keeps back (a
 * timer, a promise, a window) has not come through it.
 *
 * Thread: main.
 */
export class RecordPassage {
  readonly #options: RecordPassageOptions;
  readonly #waiting = new Map<number, { readonly workers: Set<number>; readonly resolve: () => void }>();
  #lastTicket = 0;

  constructor(options: RecordPassageOptions) {
    this.#options = options;
  }

  /** @returns false when nothing of that topic partition comes to the vertex, not in this instance at least */
  async through(position: TopicPosition, vertex: number): Promise<boolean> {
    const way = this.#wayFrom(position, vertex);
    if (way === null) return false;
    await this.#options.ingress()?.whenForwarded(way.source, position.partition, position.offset);
    for (const at of way.vertices) await this.#throughVertex(at);
    return true;
  }

  /** A worker says that its part of a vertex has taken in what it was asked about. */
  onPassed(worker: number, ticket: number): void {
    const waiting = this.#waiting.get(ticket);
    if (waiting === undefined || !waiting.workers.delete(worker) || waiting.workers.size > 0) return;
    this.#waiting.delete(ticket);
    waiting.resolve();
  }

  /** The vertices from the source that reads the topic partition to this one, in order; `null` when there is no way. */
  #wayFrom(
    { topic, partition }: TopicPosition,
    vertex: number,
  ): { source: PlanTopicSource; vertices: number[] } | null {
    const { plan } = this.#options;
    for (const source of plan.topicSources) {
      if (source.topic !== topic || partition >= source.partitionCount) continue;
      if (plan.ownedShards !== null && !plan.ownedShards.includes(partition)) continue;
      const after = reachable(source.vertex, (at) =>
        plan.edges.filter((edge) => edge.sourceVertex === at).map((edge) => edge.targetVertex),
      );
      const before = reachable(vertex, (at) =>
        plan.edges.filter((edge) => edge.targetVertex === at).map((edge) => edge.sourceVertex),
      );
      // Vertices are numbered in topological order.
      const vertices = [...after].filter((at) => before.has(at)).toSorted((a, b) => a - b);
      if (vertices.length > 0) return { source, vertices };
    }
    return null;
  }

  #throughVertex(vertex: number): Promise<void> {
    const { plan, watch } = this.#options;
    this.#lastTicket++;
    const ticket = this.#lastTicket;
    return new Promise((resolve, reject) => {
      const workers = new Set(Array.from({ length: plan.workerCount }, (_, worker) => worker));
      this.#waiting.set(ticket, { workers, resolve });
      watch(vertex, ticket).catch((error: unknown) => {
        this.#waiting.delete(ticket);
        reject(error);
      });
    });
  }
}

function reachable(from: number, next: (vertex: number) => readonly number[]): Set<number> {
  const found = new Set([from]);
  for (const vertex of found) for (const following of next(vertex)) found.add(following);
  return found;
}
