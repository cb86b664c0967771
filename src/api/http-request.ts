/** Path parameters by name, decoded. @public */
export type PathParams = Readonly<Record<string, string>>;

/** The query string by name; a name that is repeated gives an array. @public */
export type QueryParams = Readonly<Record<string, string | readonly string[]>>;

/**
 * A request as a job sees it: what the gateway read from the wire, decoded in the worker.
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
  readonly method: Method;
  /** The path as requested, without the query. */
  readonly path: string;
  /** The route that matched, as the job wrote it: `POST /counters/:name`. */
  readonly route: Route;
  readonly params: Params;
  readonly query: Query;
  /** Lower-case names. Only those that the source asked for; none by default. */
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed JSON body; `undefined` when there was none. */
  readonly body: Body;
}
