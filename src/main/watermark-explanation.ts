/**
 * Why event time stands where it does: follows what holds a subtask's watermark back, from channel to channel, to the topic
 * partition, the operator or the missing strategy where it begins.
 *
 * Pure. Thread: main.
 */
import type { ExecutionPlan, PlanVertex } from '../graph/execution-plan.js';
import type { InputWatermark, SubtaskWatermarks } from '../protocol/inspection.js';

/** What holds a watermark back. */
export type WatermarkHolder =
  | {
      readonly kind: 'source-partition';
      readonly source: string;
      readonly topic: string | null;
      readonly partition: number;
    }
  | { readonly kind: 'source-without-strategy'; readonly source: string }
  /** An operator that makes watermarks of its own, in this subtask. */
  | { readonly kind: 'operator'; readonly operator: string; readonly subtask: number }
  | { readonly kind: 'idle' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'unknown' };

/** A step from a subtask towards what holds its watermark back. */
export interface WatermarkStep {
  readonly vertex: string;
  readonly subtask: number;
  /** Which input of this vertex is the one behind. */
  readonly input: 1 | 2;
}

export interface WatermarkExplanation {
  readonly subtask: number;
  /** Of the subtask's inputs together; of a source, its own. `-Infinity` before the first. */
  readonly watermark: number;
  /** Since when that which holds it back has not advanced, in milliseconds since the epoch; `null` when nothing does. */
  readonly since: number | null;
  readonly heldBy: WatermarkHolder;
  readonly path: readonly WatermarkStep[];
  /** The same as a sentence. */
  readonly text: string;
}

export class WatermarkExplainer {
  readonly #plan: ExecutionPlan;
  readonly #bySubtask: ReadonlyMap<string, SubtaskWatermarks>;
  readonly #now: number;

  /** @param watermarks of all subtasks whose workers have answered */
  constructor(plan: ExecutionPlan, watermarks: readonly SubtaskWatermarks[], now: number) {
    this.#plan = plan;
    this.#now = now;
    this.#bySubtask = new Map(watermarks.map((each) => [nameOf(each.vertex, each.subtask), each]));
  }

  explain(vertex: PlanVertex, subtask: number): WatermarkExplanation {
    const path: WatermarkStep[] = [];
    let at = this.#bySubtask.get(nameOf(vertex.index, subtask));
    const watermark = at === undefined ? Number.NEGATIVE_INFINITY : watermarkOf(at);
    if (watermark === Infinity) return this.#result(subtask, watermark, { kind: 'ended' }, null, path);
    // The first step looks at the inputs; further up, an operator that makes watermarks hides what lies before it.
    for (let isFirst = true; at !== undefined; isFirst = false) {
      const { source, assigner } = at;
      if (!isFirst && assigner !== null) {
        const holder = { kind: 'operator', operator: assigner.operatorId, subtask: at.subtask } as const;
        return this.#result(subtask, watermark, holder, assigner.since, path, assigner.watermark);
      }
      if (source !== null) return this.#ofSource(subtask, watermark, source, path);
      const behind = inputBehind(at.inputs);
      if (behind === null) return this.#result(subtask, watermark, { kind: 'idle' }, null, path);
      const slowest = at.inputs[behind]?.channels[at.inputs[behind]?.slowest ?? -1];
      const channel = slowest === undefined ? undefined : this.#plan.channels[slowest.channel];
      if (channel === undefined || channel.kind !== 'exchange') break;
      path.push({ vertex: this.#vertexId(at.vertex), subtask: at.subtask, input: behind === 0 ? 1 : 2 });
      at = this.#bySubtask.get(nameOf(channel.producer.vertex, channel.producer.subtask));
    }
    return this.#result(subtask, watermark, { kind: 'unknown' }, null, path);
  }

  #ofSource(
    subtask: number,
    watermark: number,
    source: NonNullable<SubtaskWatermarks['source']>,
    path: readonly WatermarkStep[],
  ): WatermarkExplanation {
    const { operatorId, partitions, slowestPartition } = source;
    if (partitions.length === 0) {
      return this.#result(subtask, watermark, { kind: 'source-without-strategy', source: operatorId }, null, path);
    }
    const slowest = partitions.find(({ partition }) => partition === slowestPartition);
    if (slowest === undefined) return this.#result(subtask, watermark, { kind: 'idle' }, null, path);
    const topic = this.#plan.topicSources.find((each) => each.operatorId === operatorId)?.topic ?? null;
    const holder = { kind: 'source-partition', source: operatorId, topic, partition: slowestPartition } as const;
    return this.#result(subtask, watermark, holder, slowest.since, path, slowest.watermark);
  }

  #result(
    subtask: number,
    watermark: number,
    heldBy: WatermarkHolder,
    since: number | null,
    path: readonly WatermarkStep[],
    heldAt = watermark,
  ): WatermarkExplanation {
    const text = `${sentenceOf(heldBy, heldAt)}${since === null ? '' : `, unchanged for ${durationText(this.#now - since)}`}`;
    return { subtask, watermark, since, heldBy, path, text };
  }

  #vertexId(index: number): string {
    return this.#plan.vertices[index]?.id ?? '';
  }
}

/** Of the inputs together, as the operator sees it; of a source its own. */
export function watermarkOf({ source, inputs }: SubtaskWatermarks): number {
  if (source !== null) {
    const active = source.partitions.filter(({ isIdle }) => !isIdle);
    if (active.length === 0) return Number.NEGATIVE_INFINITY;
    return Math.min(...active.map(({ watermark }) => watermark));
  }
  const behind = inputBehind(inputs);
  if (behind !== null) return inputs[behind]?.watermark ?? Number.NEGATIVE_INFINITY;
  return Math.min(...inputs.map(({ watermark }) => watermark));
}

/** Index of the active input with the least watermark; `null` when all are idle or have ended. */
function inputBehind(inputs: readonly InputWatermark[]): number | null {
  let behind: number | null = null;
  let least = Infinity;
  for (const [index, { watermark, slowest }] of inputs.entries()) {
    if (slowest < 0 || watermark >= least) continue;
    behind = index;
    least = watermark;
  }
  return behind;
}

function sentenceOf(holder: WatermarkHolder, watermark: number): string {
  switch (holder.kind) {
    case 'source-partition': {
      const place =
        holder.topic === null
          ? `source "${holder.source}"`
          : `topic partition ${holder.topic}-${String(holder.partition)} of source "${holder.source}"`;
      return watermark === Number.NEGATIVE_INFINITY
        ? `${place} has sent no record with a timestamp yet; withIdleness() lets the others go on without it`
        : `held back by ${place}, whose watermark is ${String(watermark)}`;
    }
    case 'source-without-strategy':
      return `source "${holder.source}" has no WatermarkStrategy, so event time does not advance; give it one, or call assignTimestampsAndWatermarks`;
    case 'operator':
      return watermark === Number.NEGATIVE_INFINITY
        ? `operator "${holder.operator}" has had no record with a timestamp yet in subtask ${String(holder.subtask)}`
        : `held back by operator "${holder.operator}" in subtask ${String(holder.subtask)}, whose watermark is ${String(watermark)}`;
    case 'idle':
      return 'every input is idle: none is expected to send records for now';
    case 'ended':
      return 'every input has ended: all windows have fired';
    case 'unknown':
      return 'a worker on the way has not answered';
  }
}

function durationText(ms: number): string {
  return ms < 1_000 ? `${String(Math.max(0, Math.round(ms)))} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

function nameOf(vertex: number, subtask: number): string {
  return `${String(vertex)}:${String(subtask)}`;
}
