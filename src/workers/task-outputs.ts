import type { Serde } from '../api/serde.js';
import { invariant } from '../base/invariant.js';
import type { EgressChannel, ExchangeChannel, PlanVertex } from '../graph/execution-plan.js';
import type { StreamGraph } from '../graph/stream-graph.js';
import type { RecordScope } from '../operators/operator.js';
import { ChannelOutput } from '../protocol/channel-output.js';
import { RECORD_BATCH, TOPIC_BATCH } from '../protocol/stream-element.js';
import { RecordWriter } from './record-writer.js';
import type { TaskHost } from './task-host.js';

/** Opens the channels of one subtask over one edge to another vertex. */
export function openEdgeWriter(
  host: TaskHost,
  options: {
    readonly vertex: PlanVertex;
    readonly subtask: number;
    readonly graph: StreamGraph;
    readonly edgeIndex: number;
    readonly serde: Serde<unknown>;
    readonly scope: RecordScope;
  },
): RecordWriter {
  const { plan } = host;
  const { vertex, subtask, graph, edgeIndex, serde, scope } = options;
  const edge = plan.edges[edgeIndex];
  invariant(edge !== undefined, 'an output edge is in the plan');
  const partitioning = graph.edges[edge.graphEdge]?.partitioning ?? null;
  const channels = plan.channels
    .filter(
      (channel): channel is ExchangeChannel =>
        channel.kind === 'exchange' && channel.edge === edgeIndex && channel.producer.subtask === subtask,
    )
    .map(({ index }) => host.localChannel(index) ?? new ChannelOutput(host.openWriter(index), RECORD_BATCH));
  return new RecordWriter({
    exchange: edge.exchange,
    channels,
    key: partitioning?.kind === 'hash' ? partitioning.key : null,
    serde,
    shardCount: plan.shardCount,
    scope,
    firstChannel: subtask,
    operatorName: vertex.operators[edge.sourceOperator]?.name ?? vertex.name,
  });
}

/** Opens the channel of one subtask to main; `null` when it has none. */
export function openEgress(
  host: TaskHost,
  vertex: PlanVertex,
  subtask: number,
): { readonly output: ChannelOutput; readonly responds: boolean } | null {
  const channel = host.plan.channels.find(
    (one): one is EgressChannel =>
      one.kind === 'egress' && one.producer.vertex === vertex.index && one.producer.subtask === subtask,
  );
  if (channel === undefined) return null;
  return { output: new ChannelOutput(host.openWriter(channel.index), TOPIC_BATCH), responds: channel.responds };
}
