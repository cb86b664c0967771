/** The package's public exports, and nothing else. Importing it starts nothing and opens nothing. */
export { defineJob, type JobDefinition, type JobOptions } from './api/job.js';
export type { OnError } from './api/internal/transformation.js';
export { StreamEnvironment } from './api/environment.js';
export {
  DataStream,
  DataStreamSink,
  KeyedStream,
  KeyedStreamSource,
  SingleOutputStreamOperator,
  type RespondOptions,
} from './api/data-stream.js';
export type { HttpRequest, PathParams, QueryParams } from './api/http-request.js';
export {
  route,
  type HttpMethod,
  type KeyedRequestsOptions,
  type NoSchema,
  type RequestOf,
  type RequestOfRoute,
  type RequestsOptions,
  type RouteDeclaration,
  type RouteInput,
  type RouteOptions,
  type RouteParams,
  type RoutePattern,
  type SchemaType,
} from './api/requests.js';
export {
  collection,
  generator,
  topic,
  type KeyedTopicSourceOptions,
  type Source,
  type TopicSourceOptions,
} from './api/source.js';
export {
  ScatteredStream,
  type GatherAll,
  type GatherOptions,
  type GatherQuorum,
  type GatherTimeout,
  type NoGatherTimeout,
} from './api/scatter-gather.js';
export { functionSink, topicSink, type Sink, type TopicSinkOptions } from './api/sink.js';
export type { DeliveryGuarantee } from './api/internal/operator-spec.js';
export type { RichSinkFunction, SinkContext, SinkFunction } from './api/sink-function.js';
export type { Key } from './api/key.js';
export type { Serde } from './api/serde.js';
export { bytesSerde, jsonSerde, stringSerde } from './api/standard-serdes.js';
export { struct } from './api/struct-serde.js';
export type { StructFieldKind, StructFields, StructOf, StructSerde } from './api/struct-serde.js';
export {
  WatermarkStrategy,
  type TimestampAssigner,
  type WatermarkAlignment,
  type WatermarkGenerator,
  type WatermarkOutput,
} from './api/watermark-strategy.js';
export type {
  Collector,
  FilterFunction,
  FlatMapFunction,
  KeySelector,
  MapFunction,
  RichFilterFunction,
  RichFlatMapFunction,
  RichFunction,
  RichMapFunction,
  RuntimeContext,
  TaskInfo,
} from './api/functions.js';
export {
  KeyedProcessFunction,
  OutputTag,
  ProcessFunction,
  type KeyedProcessContext,
  type OnTimerContext,
  type ProcessContext,
  type RequestHandle,
  type ResponseOptions,
} from './api/process-function.js';
export type {
  Counter,
  Gauge,
  Histogram,
  HistogramOptions,
  HistogramStatistics,
  Meter,
  MeterOptions,
  MetricGroup,
} from './api/metrics.js';
export {
  Accumulator,
  AverageAccumulator,
  DoubleCounter,
  DoubleMaximum,
  DoubleMinimum,
  HistogramAccumulator,
  IntCounter,
  IntMaximum,
  IntMinimum,
  ListAccumulator,
  LongCounter,
  LongMaximum,
  LongMinimum,
  type AccumulatorType,
} from './api/accumulators.js';
export type { TimeDomain, TimerService } from './api/timer-service.js';
export { orderedWait, unorderedWait, type AsyncRequest } from './api/async-data-stream.js';
export {
  AsyncFunction,
  exponentialBackoffRetry,
  fixedDelayRetry,
  type AsyncOptions,
  type AsyncOutputMode,
  type AsyncRetryStrategy,
  type ResultFuture,
} from './api/async-function.js';
export {
  KeyedBroadcastProcessFunction,
  type BroadcastState,
  type KeyedBroadcastContext,
  type KeyedBroadcastOnTimerContext,
  type KeyedBroadcastReadContext,
  type ReadOnlyBroadcastState,
} from './api/broadcast-functions.js';
export type {
  CheckpointedFunction,
  FunctionInitializationContext,
  OperatorListState,
} from './api/checkpointed-function.js';
export {
  CoProcessFunction,
  KeyedCoProcessFunction,
  type CoFlatMapFunction,
  type CoMapFunction,
} from './api/co-functions.js';
export {
  BroadcastConnectedStream,
  BroadcastStream,
  ConnectedStreams,
  KeyedConnectedStreams,
} from './api/connected-streams.js';
export {
  CountEvictor,
  DeltaEvictor,
  TimeEvictor,
  type Evictor,
  type EvictorContext,
  type EvictorOptions,
  type TimestampedValue,
} from './api/evictors.js';
export { IntervalJoin, IntervalJoined } from './api/interval-join.js';
export {
  ProcessJoinFunction,
  type CoGroupFunction,
  type JoinFunction,
  type ProcessJoinContext,
} from './api/join-functions.js';
export { JoinedByKey, JoinedInWindow, JoinedStreams } from './api/joined-streams.js';
export type { KeyedStateStore } from './api/keyed-state-store.js';
export { Trigger, type OnMergeContext, type TriggerContext, type TriggerResult } from './api/trigger.js';
export {
  ContinuousEventTimeTrigger,
  ContinuousProcessingTimeTrigger,
  CountTrigger,
  DeltaTrigger,
  EventTimeTrigger,
  NeverTrigger,
  ProcessingTimeTrigger,
  PurgingTrigger,
  type DeltaFunction,
} from './api/triggers.js';
export { ProcessingTimeoutTrigger, type ProcessingTimeoutOptions } from './api/processing-timeout-trigger.js';
export { MergingWindowAssigner, WindowAssigner, type WindowAssignerContext } from './api/window-assigner.js';
export {
  CumulativeEventTimeWindows,
  EventTimeSessionWindows,
  GlobalWindows,
  ProcessingTimeSessionWindows,
  SlidingEventTimeWindows,
  SlidingProcessingTimeWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  type SessionGapExtractor,
} from './api/window-assigners.js';
export { ProcessAllWindowFunction, ProcessWindowFunction, type ProcessWindowContext } from './api/window-function.js';
export { AllWindowedStream, WindowedStream } from './api/windowed-stream.js';
export { GlobalWindow, TimeWindow, type Window } from './api/windows.js';
export {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  valueState,
  type AggregateFunction,
  type AggregatingState,
  type AggregatingStateDescriptor,
  type ListState,
  type ListStateDescriptor,
  type MapState,
  type MapStateDescriptor,
  type ReduceFunction,
  type ReducingState,
  type ReducingStateDescriptor,
  type StateDescriptor,
  type StateOptions,
  type StateTtlConfig,
  type TtlUpdateType,
  type TtlVisibility,
  type ValueState,
  type ValueStateDescriptor,
} from './api/keyed-state.js';
export {
  ConfigError,
  ConnectorError,
  errorCodes,
  MillraceError,
  UserFunctionError,
  type ErrorCode,
  type ErrorDetails,
  type MillraceErrorOptions,
  type Recovery,
} from './base/errors.js';
