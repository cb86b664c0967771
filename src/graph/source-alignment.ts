import type { WatermarkAlignment } from '../api/watermark-strategy.js';
import type { ExecutionPlan, PlanVertex } from './execution-plan.js';

/** One partition of an aligned source: of a topic, or the only one, number 0, of a source that runs in its worker. */
export interface AlignedPartition {
  /** Its place on the board where aligned sources show their watermarks. */
  readonly slot: number;
  readonly vertex: number;
  readonly subtask: number;
  readonly partition: number;
  readonly alignment: WatermarkAlignment;
  /** Slots of its group, its own among them. */
  readonly group: readonly number[];
}

/** All partitions of aligned sources. The same for everybody who has the plan. */
export function alignedPartitions(plan: ExecutionPlan): AlignedPartition[] {
  const partitions: AlignedPartition[] = [];
  const groups = new Map<string, number[]>();
  for (const vertex of plan.vertices) {
    const { alignment, index } = vertex;
    if (alignment === null) continue;
    const group = groups.get(alignment.group) ?? [];
    groups.set(alignment.group, group);
    for (let subtask = 0; subtask < vertex.parallelism; subtask++) {
      for (const partition of partitionsOf(plan, vertex, subtask)) {
        const slot = partitions.length;
        group.push(slot);
        partitions.push({ slot, vertex: index, subtask, partition, alignment, group });
      }
    }
  }
  return partitions;
}

function partitionsOf(plan: ExecutionPlan, vertex: PlanVertex, subtask: number): readonly number[] {
  if (vertex.topicSource === null) return [0];
  return plan.channels.flatMap((channel) =>
    channel.kind === 'ingress' && channel.consumer.vertex === vertex.index && channel.consumer.subtask === subtask
      ? channel.partitions
      : [],
  );
}
