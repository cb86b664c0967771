/**
 * A request as a job sees it: what the gateway read from the wire, decoded in the worker.
 *
 * @public
 */
export interface HttpRequest<Body = unknown> {
  readonly method: string;
  /** The path as requested, without the query. */
  readonly path: string;
  /** The route that matched, as the job wrote it: `POST /counters/:name`. */
  readonly route: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  /** Lower-case names. Only those that the source asked for; none by default. */
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed JSON body; `undefined` when there was none. */
  readonly body: Body;
}
