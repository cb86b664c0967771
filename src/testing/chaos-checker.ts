/** A request of a {@link ChaosChecker}. It may have more fields, for the checker's own use. @public */
export interface ChaosOperation {
  /** In capitals. */
  readonly method: string;
  /** With the query, if any. */
  readonly path: string;
  /** Sent as JSON; none when it is missing. */
  readonly body?: unknown;
}

/** What was answered to a {@link ChaosOperation}. @public */
export interface ChaosAnswer {
  /** The HTTP status. */
  readonly status: number;
  /** The body, parsed; as text when it is no JSON, `null` when it is empty. */
  readonly json: unknown;
}

/**
 * Calls a service under `millrace chaos`, and says whether it kept its promises: what `createChecker`, exported by the module
 * that `--checker` names, returns.
 *
 * @public
 */
export interface ChaosChecker<Operation extends ChaosOperation = ChaosOperation> {
  /** The next request, or `null` for none. It is sent again under one `Idempotency-Key` until it has an answer. */
  next(): Operation | null;
  /** Takes its answer, which has a status below 500. Throws when it is wrong. */
  answered(operation: Operation, answer: ChaosAnswer): void;
  /** After the last fault: what does not hold, one sentence each. `get` is repeated until it is answered with 200. */
  check(service: { readonly get: (path: string) => Promise<unknown> }): Promise<readonly string[]>;
}

/** The `createChecker` that a checker's module exports. `random` gives [0, 1), by the seed of the run. @public */
export type CreateChaosChecker = (options: { readonly random: () => number }) => ChaosChecker;
