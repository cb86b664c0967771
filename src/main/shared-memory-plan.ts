import { type ExecutionPlan, isWithinThread } from '../graph/execution-plan.js';
import {
  allocateTaskCounters,
  allocateThreadCounters,
  taskCountersFootprintBytes,
  THREAD_COUNTERS_FOOTPRINT_BYTES,
} from '../metrics/counter-layout.js';
import { alignedPartitions } from '../graph/source-alignment.js';
import { allocateAlignmentBoard } from '../shared-memory/alignment-board.js';
import type { SharedMemoryMap } from '../protocol/deployment.js';
import {
  allocateControlBlock,
  allocateRing,
  CONTROL_BLOCK_FOOTPRINT_BYTES,
  ringFootprintBytes,
  SharedRegion,
} from '../shared-memory/shared-region.js';

/**
 * Cuts all shared memory of a job from one region: control blocks, counters, one ring per channel between threads. One region, allocated
 * once: the garbage collector does not see the weight of many small ones.
 */
export function allocateSharedMemory(plan: ExecutionPlan, ringBytes: number): SharedMemoryMap {
  const region = SharedRegion.allocate(neededBytes(plan, ringBytes));
  // The workers' control blocks, then main's.
  const controlBlocks = Array.from({ length: plan.workerCount + 1 }, () => allocateControlBlock(region));
  const taskCounters = plan.vertices.map(({ parallelism, operators }) =>
    Array.from({ length: parallelism }, () => allocateTaskCounters(region, operators.length)),
  );
  const threadCounters = Array.from({ length: plan.workerCount }, () => allocateThreadCounters(region));
  const rings = plan.channels.map((channel) =>
    isWithinThread(channel) ? null : allocateRing(region, ringBytes, channel.index),
  );
  const alignment = allocateAlignmentBoard(alignedPartitions(plan).length);
  return { controlBlocks, rings, taskCounters, threadCounters, alignment };
}

function neededBytes(plan: ExecutionPlan, ringBytes: number): number {
  let bytes = (plan.workerCount + 1) * CONTROL_BLOCK_FOOTPRINT_BYTES;
  bytes += plan.workerCount * THREAD_COUNTERS_FOOTPRINT_BYTES;
  for (const { parallelism, operators } of plan.vertices) {
    bytes += parallelism * taskCountersFootprintBytes(operators.length);
  }
  const ringCount = plan.channels.filter((channel) => !isWithinThread(channel)).length;
  return bytes + ringCount * ringFootprintBytes(ringBytes);
}
