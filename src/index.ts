/** The package's public exports, and nothing else. Importing it starts nothing and opens nothing. */
export { defineJob, type JobDefinition, type JobOptions } from './api/job.js';
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
export { functionSink, topicSink, type Sink, type TopicSinkOptions } from './api/sink.js';
export type { RichSinkFunction, SinkContext, SinkFunction } from './api/sink-function.js';
export type { Key } from './api/key.js';
export type { Serde } from './api/serde.js';
export { bytesSerde, jsonSerde, stringSerde } from './api/standard-serdes.js';
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
export type { TimeDomain, TimerService } from './api/timer-service.js';
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
