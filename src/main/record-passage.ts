import type { TopicPosition } from '../base/topic-position.js';
import type { ExecutionPlan, PlanTopicSource } from '../graph/execution-plan.js';
import type { IngressRouter } from './ingress-router.js';

export interface RecordPassageOptions {
  readonly plan: ExecutionPlan;
  readonly ingress: () => IngressRouter | null;
  /** Asks every worker to say when its subtasks of a vertex have taken in what waits for them now. */
  readonly watch: (vertex: number, ticket: number) => Promise<unknown>;
}

/** `foreign-position`: nothing of the topic partition comes to the vertex, not in this instance at least. */
export type PassageOutcome = 'passed' | 'foreign-position' | 'too-late';

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
  /** Of every wait that goes on: what ends it. */
  readonly #cuts = new Set<AbortController>();
  #lastTicket = 0;

  constructor(options: RecordPassageOptions) {
    this.#options = options;
  }

  /** Nothing of a wait is left when this has resolved or rejected. */
  async through(position: TopicPosition, vertex: number, timeoutMs: number): Promise<PassageOutcome> {
    const way = this.#wayFrom(position, vertex);
    if (way === null) return 'foreign-position';
    const cut = new AbortController();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      cut.abort();
    }, timeoutMs);
    this.#cuts.add(cut);
    try {
      const { partition, offset } = position;
      await this.#options.ingress()?.whenForwarded(way.source, { partition, offset }, cut.signal);
      for (const at of way.vertices) await this.#throughVertex(at, cut.signal);
      return 'passed';
    } catch (error) {
      if (isLate) return 'too-late';
      throw error;
    } finally {
      clearTimeout(timer);
      this.#cuts.delete(cut);
    }
  }

  /** Whoever waits is told why it is in vain. */
  stop(reason: Error): void {
    for (const cut of this.#cuts) cut.abort(reason);
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

  #throughVertex(vertex: number, signal: AbortSignal): Promise<void> {
    const { plan, watch } = this.#options;
    this.#lastTicket++;
    const ticket = this.#lastTicket;
    return new Promise((resolve, reject) => {
      const workers = new Set(Array.from({ length: plan.workerCount }, (_, worker) => worker));
      const giveUp = (reason: unknown): void => {
        this.#waiting.delete(ticket);
        reject(reason);
      };
      this.#waiting.set(ticket, { workers, resolve });
      signal.addEventListener('abort', () => giveUp(signal.reason), { once: true });
      watch(vertex, ticket).catch(giveUp);
    });
  }
}

function reachable(from: number, next: (vertex: number) => readonly number[]): Set<number> {
  const found = new Set([from]);
  for (const vertex of found) for (const following of next(vertex)) found.add(following);
  return found;
}
