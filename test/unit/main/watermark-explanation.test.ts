import { describe, expect, it } from 'vitest';
import type { ExecutionPlan, PlanVertex } from '../../../src/graph/execution-plan.js';
import { WatermarkExplainer } from '../../../src/main/watermark-explanation.js';
import type { InputWatermark, SubtaskWatermarks } from '../../../src/protocol/inspection.js';

const vertices = ['bids', 'asks', 'join'].map((id, index) => ({ id, index })) as unknown as PlanVertex[];
const join = vertices[2] as PlanVertex;
/** Channel 0 leads from "bids", channel 1 from "asks", to "join". */
const plan = {
  vertices,
  channels: [0, 1].map((vertex) => ({ kind: 'exchange', producer: { vertex, subtask: 0 } })),
  topicSources: [{ operatorId: 'bids', topic: 'bids' }],
} as unknown as ExecutionPlan;

function input(channel: number, watermark: number, state: 'ACTIVE' | 'IDLE' = 'ACTIVE'): InputWatermark {
  const slowest = state === 'ACTIVE' ? 0 : -1;
  return { watermark, slowest, channels: [{ channel, state, watermark, since: 1_000 }] };
}

function source(vertex: number, partitions: readonly [number, number][], slowestPartition: number): SubtaskWatermarks {
  const status = partitions.map(([partition, watermark]) => ({ partition, watermark, since: 2_000, isIdle: false }));
  const operatorId = vertices[vertex]?.id ?? '';
  return {
    vertex,
    subtask: 0,
    inputs: [],
    source: { operatorId, partitions: status, slowestPartition },
    assigner: null,
  };
}

const explain = (
  inputs: readonly InputWatermark[],
  ...others: readonly SubtaskWatermarks[]
): ReturnType<WatermarkExplainer['explain']> =>
  new WatermarkExplainer(
    plan,
    [{ vertex: 2, subtask: 0, inputs, source: null, assigner: null }, ...others],
    9_500,
  ).explain(join, 0);

describe('the explanation of a watermark', () => {
  it('follows the slower input to the slowest topic partition, and says since when', () => {
    const found = explain(
      [input(0, 40), input(1, 90)],
      source(
        0,
        [
          [0, 70],
          [1, 40],
        ],
        1,
      ),
      source(1, [[0, 90]], 0),
    );
    expect(found).toMatchObject({
      watermark: 40,
      since: 2_000,
      heldBy: { kind: 'source-partition', source: 'bids', topic: 'bids', partition: 1 },
      path: [{ vertex: 'join', subtask: 0, input: 1 }],
      text: 'held back by topic partition bids-1 of source "bids", whose watermark is 40, unchanged for 7.5 s',
    });
  });

  it('leaves an idle input out of account', () => {
    const found = explain([input(0, 40, 'IDLE'), input(1, 90)], source(0, [[0, 40]], 0), source(1, [[0, 90]], 0));
    expect(found).toMatchObject({ watermark: 90, heldBy: { source: 'asks', topic: null, partition: 0 } });
  });

  it('names a source without a strategy, and an operator that makes watermarks of its own', () => {
    expect(explain([input(0, -Infinity)], source(0, [], -1)).heldBy).toEqual({
      kind: 'source-without-strategy',
      source: 'bids',
    });
    const assigner = { operatorId: 'stamped', watermark: 3, since: 9_000 };
    const found = explain([input(0, 3)], { ...source(0, [], -1), assigner });
    expect(found).toMatchObject({ heldBy: { kind: 'operator', operator: 'stamped', subtask: 0 }, since: 9_000 });
  });

  it('says when everything is idle, has ended, or cannot be asked', () => {
    expect(explain([input(0, 5, 'IDLE')]).heldBy).toEqual({ kind: 'idle' });
    expect(explain([input(0, Infinity)]).heldBy).toEqual({ kind: 'ended' });
    expect(explain([input(0, 5)]).heldBy).toEqual({ kind: 'unknown' });
  });
});
