/** Path parameters by name, decoded. @public */
export type PathParams = Readonly<Record<string, string>>;

/** The query string by name; a name that is repeated gives an array. @public */
export type QueryParams = Readonly<Record<string, string | readonly string[]>>;

/**
 * A request as a job sees it: what the gateway read from the wire, decoded in the worker. Its type follows from the route and
 * its schemas: `env.requests('POST /counters/:name', { body: Add })` gives `params.name` and a `body` of `Static<typeof Add>`.
 *
 * @public
 */
export interface HttpRequest<
  Body = unknown,
  Params = PathParams,
  Query = QueryParams,
  Route extends string = string,
  Method extends string = string,
> {
  /** In capitals. */
  readonly method: Method;
  /** The path as requested, without the query. */
  readonly path: string;
  /** The route that matched, as the job wrote it: `POST /counters/:name`. */
  readonly route: Route;
  /** What stands in the path for the route's parameters, decoded. */
  readonly params: Params;
  /** The query string, decoded. */
  readonly query: Query;
  /** Lower-case names. Only those that the source asked for; none by default. */
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed JSON body; `undefined` when there was none. */
  readonly body: Body;
}
