import { KeyedStreamSource, SingleOutputStreamOperator } from './data-stream.js';
import type { KeySelector } from './functions.js';
import type { GraphBuilder } from './internal/graph-builder.js';
import type { SourceSpec } from './internal/operator-spec.js';
import type { Key } from './key.js';
import {
  requestSourceSpec,
  type KeyedRequestsOptions,
  type NoSchema,
  type RequestOf,
  type RequestsOptions,
  type RouteInput,
} from './requests.js';
import { collection, generator, type Source } from './source.js';
import type { WatermarkStrategy } from './watermark-strategy.js';

/** One route, or several that share a source. */
type Routes = RouteInput | readonly [RouteInput, ...RouteInput[]];
type OneOf<R extends Routes> = R extends readonly RouteInput[] ? R[number] : R;

/**
 * Where a job begins: sources go in, streams come out. Given to the function of `defineJob`, and valid only while that
 * function runs.
 *
 * @public
 */
export class StreamEnvironment {
  readonly #builder: GraphBuilder;

  /** @internal */
  constructor(builder: GraphBuilder) {
    this.#builder = builder;
  }

  /**
   * HTTP requests of one or more routes. With a `key`, requests of equal keys are processed in the order in which they
   * were accepted, and the stream is keyed without a shuffle; without one they are spread evenly.
   *
   * Routes of one source keep their order among each other. End the stream with `respond()`, or answer by
   * `ctx.respondTo()`: a request that nobody answers ends with 504 at its deadline.
   *
   * @example
   * env
   *   .requests('POST /counters/:name', { key: (r) => r.params.name, body: Add })
   *   .process(new CountFunction())
   *   .uid('count')
   *   .respond();
   */
  requests<const R extends Routes, K extends Key, const Body = NoSchema, const Query = NoSchema>(
    routes: R,
    options: KeyedRequestsOptions<Body, Query, RequestOf<OneOf<R>, Body, Query>, K>,
  ): KeyedStreamSource<RequestOf<OneOf<R>, Body, Query>, K>;
  requests<const R extends Routes, const Body = NoSchema, const Query = NoSchema>(
    routes: R,
    options?: RequestsOptions<Body, Query> & { readonly key?: never },
  ): SingleOutputStreamOperator<RequestOf<OneOf<R>, Body, Query>>;
  requests(
    routes: Routes,
    options: RequestsOptions<unknown, unknown> & { readonly key?: (request: never) => unknown } = {},
  ): unknown {
    const inputs: readonly RouteInput[] = isRouteList(routes) ? routes : [routes];
    const spec = requestSourceSpec(inputs, options, options.key ?? null);
    return this.#addSource(spec, null, undefined, spec.key);
  }

  /**
   * Records of a topic, or of any other {@link Source}. A source with a key gives a keyed stream.
   *
   * @param watermarkStrategy how the source's event time comes about, for each topic partition by itself; without it records
   *   keep the timestamps of their topic and there are no watermarks before the end of input.
   * @param name what people and metrics see.
   *
   * @example
   * env.fromSource(topic('bids', jsonSerde<Bid>()), WatermarkStrategy.boundedOutOfOrderness<Bid>(2_000)).uid('bids');
   */
  fromSource<T, K>(
    source: Source<T, K>,
    watermarkStrategy?: WatermarkStrategy<NoInfer<T>>,
    name?: string,
  ): [K] extends [never] ? SingleOutputStreamOperator<T> : KeyedStreamSource<T, K>;
  fromSource<T>(source: Source<T, unknown>, watermarkStrategy?: WatermarkStrategy<T>, name?: string): unknown {
    const { spec } = source;
    const key = spec.kind === 'topic-source' || spec.kind === 'requests' ? spec.key : null;
    return this.#addSource(spec, (watermarkStrategy ?? null) as WatermarkStrategy<unknown> | null, name, key);
  }

  /** Values that the job module holds, then the end of input. As `fromSource(collection(values))`. */
  fromCollection<T>(
    values: Iterable<T>,
    watermarkStrategy?: WatermarkStrategy<NoInfer<T>>,
  ): SingleOutputStreamOperator<T> {
    return this.fromSource(collection(values), watermarkStrategy);
  }

  /** Values computed in the workers from their index. As `fromSource(generator(next))`, which also takes a watermark strategy. */
  fromGenerator<T>(next: (index: number) => T | undefined): SingleOutputStreamOperator<T> {
    return this.fromSource<T, never>(generator(next));
  }

  #addSource(
    spec: SourceSpec,
    watermarks: WatermarkStrategy<unknown> | null,
    name: string | undefined,
    key: KeySelector<unknown, unknown> | null,
  ): SingleOutputStreamOperator<unknown> | KeyedStreamSource<unknown, unknown> {
    const id = this.#builder.addSource(spec, watermarks);
    if (name !== undefined) this.#builder.setName(id, name);
    return key === null
      ? new SingleOutputStreamOperator<unknown>(this.#builder, id)
      : new KeyedStreamSource<unknown, unknown>(this.#builder, id, key);
  }
}

function isRouteList(routes: Routes): routes is readonly [RouteInput, ...RouteInput[]] {
  return Array.isArray(routes);
}
