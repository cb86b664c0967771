import { describe, expect, it } from 'vitest';
import type { StreamEnvironment } from '../../../src/api/environment.js';
import { KeyedProcessFunction, OutputTag } from '../../../src/api/process-function.js';
import { planToJson, planToMermaid, planToText } from '../../../src/graph/graph-text.js';
import { planOf } from '../../helpers/build-job.js';

class Count extends KeyedProcessFunction<string, unknown, unknown> {
  override processElement(): void {}
}

function define(env: StreamEnvironment): void {
  const count = env
    .requests('POST /words/:word', { key: (request) => request.params.word })
    .uid('words')
    .process(new Count())
    .uid('count');
  count.respond();
  const rare = count.getSideOutput(new OutputTag<string>('rare')).map(String).name('Text').uid('Text');
  rare
    .keyBy(String)
    .reduce((word) => word)
    .uid('longest')
    .setParallelism(3)
    .print();
  rare.print('rare "words"').name('Say "rare"');
}

describe('planToText', () => {
  it('draws each task as a tree of its operators, and the edges that leave it', () => {
    expect(planToText(planOf(define))).toBe(`job test: 3 tasks, parallelism 2, 2 workers, 16 shards

[0] Source: POST /words/:word (words)  ×2
    Count (count)
    ├─ Sink: respond
    └─ (rare) Text
       ├─ ══ hash ══▶ [1]
       └─ Say "rare"

[1] Reduce (longest)  ×3
    ══ rebalance ══▶ [2]

[2] Sink: print  ×2`);
  });

  it('counts one task as one', () => {
    const plan = planOf((env) => void env.fromCollection([1]), { parallelism: 1, workerCount: 1, shardCount: 1 });
    expect(planToText(plan).split('\n')[0]).toBe('job test: 1 task, parallelism 1, 1 worker, 1 shard');
  });
});

describe('planToMermaid', () => {
  it('draws a frame per task, and escapes names', () => {
    expect(planToMermaid(planOf(define))).toBe(`flowchart LR
  subgraph v0["task 0 ×2"]
    o0_0["Source: POST /words/:word"]
    o0_1["Count"]
    o0_2["Sink: respond"]
    o0_3["Text"]
    o0_4["Say #34;rare#34;"]
  end
  subgraph v1["task 1 ×3"]
    o1_0["Reduce"]
  end
  subgraph v2["task 2 ×2"]
    o2_0["Sink: print"]
  end
  o0_0 --> o0_1
  o0_1 --> o0_2
  o0_1 -->|"rare"| o0_3
  o0_3 ==>|"hash"| o1_0
  o0_3 --> o0_4
  o1_0 ==>|"rebalance"| o2_0
`);
  });
});

describe('planToJson', () => {
  it("has Flink's field names", () => {
    const json = planToJson(planOf(define));
    expect(json).toMatchObject({ name: 'test', type: 'STREAMING' });
    expect(json.nodes[1]).toEqual({
      id: 'longest',
      name: 'Reduce',
      parallelism: 3,
      operator: '',
      operator_strategy: '',
      description: 'Reduce',
      inputs: [{ num: 0, id: 'words', ship_strategy: 'HASH', exchange: 'pipelined_bounded' }],
      operators: [{ uid: 'longest', name: 'Reduce', kind: 'reduce' }],
    });
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
  });
});
