import type { GraphBuilder } from './internal/graph-builder.js';
import type { ScatterPart } from './internal/scatter-part.js';
import type { SingleOutput, StreamAt } from './internal/stream-types.js';
import { ProcessFunction } from './process-function.js';
import type { ProcessContext } from './process-function.js';
import type { Collector } from './functions.js';
import { MillraceError } from '../base/errors.js';

/**
 * Scatter/gather: a request goes to several branches, each keyed as it likes, and what they find is joined by the request.
 *
 * `scatter` only names the branches. `gather` ends each in an operator that labels its records with the branch and the
 * correlation id of the request in process, unites them with the requests themselves, and joins them by that id.
 */

/** Names are fields of the partial answers, and stand in drawings. */
const BRANCH_PATTERN = /^[A-Za-z][A-Za-z0-9_-]{0,99}$/;

/** Answers when the time is up, with what there is. @public */
export interface GatherTimeout<T, Partials, O> {
  /**
   * How long after a request was accepted its partial answers are waited for, in milliseconds; at most until the request's
   * own deadline. A request whose time has passed when the first of its parts arrives, behind a backlog or after a restart,
   * gets the time anew.
   */
  readonly timeoutMs: number;
  /** Makes the answer of a request whose time is up: of what there is, which may be nothing. */
  readonly onTimeout: (request: T, partials: Readonly<Partial<Partials>>) => O;
}

/** Without it, a request that is not complete by its deadline is forgotten: its caller gets 504 from the gateway. @public */
export type NoGatherTimeout = { readonly [Name in keyof GatherTimeout<never, never, never>]?: undefined };

/** Answers when all branches have. @public */
export interface GatherAll<T, Partials, O> {
  /** All branches are waited for. */
  readonly quorum?: undefined;
  /** Makes the answer of the request and what each branch found. Must depend on these alone. */
  readonly combine: (request: T, partials: Readonly<Partials>) => O;
}

/** Answers when enough branches have. @public */
export interface GatherQuorum<T, Partials, O> {
  /** From how many branches on a request is answered: 1 to all. What comes later is dropped and counted. */
  readonly quorum: number;
  /** Makes the answer of the request and what the first branches found. */
  readonly combine: (request: T, partials: Readonly<Partial<Partials>>) => O;
}

/** When a gathered request is answered, and how the answer is made. @public */
export type GatherOptions<T, Partials, O> = (GatherAll<T, Partials, O> | GatherQuorum<T, Partials, O>) &
  (GatherTimeout<T, Partials, O> | NoGatherTimeout);

/** Where a scattered stream began, and where its branches end. */
export interface ScatterInputs {
  readonly builder: GraphBuilder;
  readonly id: number;
  readonly streamAt: StreamAt;
  readonly branches: readonly { readonly name: string; readonly id: number }[];
}

/** A stream of requests that several branches work on. Made by `stream.scatter(branches)`. @public */
export class ScatteredStream<T, Partials> {
  /** Only a type. */
  declare protected readonly recordTypes: readonly [T, Partials];
  readonly #inputs: ScatterInputs;

  /** @internal */
  constructor(inputs: ScatterInputs) {
    this.#inputs = inputs;
    const { builder, id, branches } = inputs;
    if (branches.length === 0)
      throw builder.invalid(id, 'is scattered to no branch', 'Give scatter() at least one branch.');
    for (const { name } of branches) {
      if (BRANCH_PATTERN.test(name)) continue;
      const hint = 'A branch is named by a letter, and up to 99 letters, digits, dashes and underscores.';
      throw builder.invalid(id, `is scattered to a branch named ${JSON.stringify(name)}`, hint);
    }
  }

  /**
   * Joins what the branches found by the request it was found for, and makes one answer of it: when all branches, or a
   * quorum of them, have found something, or when the time is up. The answer belongs to the request, so that `respond()`
   * may follow, and carries the request's timestamp.
   *
   * The first record that a branch emits for a request is what it found. Further ones, and those of a branch that is too
   * late, are dropped and counted. What is joined so far is part of every checkpoint.
   *
   * With all branches the answer depends on no order of arrival. With a smaller quorum, or at the time-out, it depends on
   * which branches were first, and may differ when the input runs again after a failure; the caller gets the first one.
   *
   * @throws MillraceError `MILLRACE_JOB_INVALID` for a quorum, time-out or function that cannot be right; for a record that came
   *   from no request, when it comes
   */
  gather<O>(options: GatherOptions<T, Partials, O>): SingleOutput<O> {
    const { builder, id, streamAt, branches } = this.#inputs;
    const { quorum, timeoutMs } = this.#checked(options);
    const parts = [null, ...branches].map((branch) => {
      const part = builder.addOperator([branch?.id ?? id], {
        kind: 'process',
        fn: new LabelPart(branch?.name ?? null),
      });
      builder.setName(part, branch === null ? 'Scatter' : `Gather: ${branch.name}`);
      return part;
    });
    const key = (part: unknown): unknown => (part as ScatterPart).correlationId;
    const joined = builder.addPartition(builder.addUnion(parts), { kind: 'hash', key, isKeyedAtSource: false });
    const gather = builder.addOperator([joined], {
      kind: 'gather',
      key,
      branches: branches.map(({ name }) => name),
      quorum,
      timeoutMs,
      combine: options.combine as (request: unknown, partials: unknown) => unknown,
      onTimeout: (options.onTimeout ?? null) as ((request: unknown, partials: unknown) => unknown) | null,
    });
    return streamAt<O>(gather);
  }

  #checked(options: GatherOptions<T, Partials, unknown>): { quorum: number; timeoutMs: number | null } {
    const { builder, id, branches } = this.#inputs;
    const refuse = (what: string, hint: string): MillraceError => builder.invalid(id, `is gathered ${what}`, hint);
    const { combine, onTimeout, quorum = branches.length, timeoutMs = null } = options;
    if (typeof combine !== 'function') {
      throw refuse('without a function', 'Give gather() `combine`, which makes the answer.');
    }
    if (!Number.isInteger(quorum) || quorum < 1 || quorum > branches.length) {
      const hint = `There are ${String(branches.length)} branches: a quorum is a whole number from 1 to that.`;
      throw refuse(`with the quorum ${String(quorum)}`, hint);
    }
    if (timeoutMs !== null && !(Number.isFinite(timeoutMs) && timeoutMs > 0)) {
      throw refuse(`with the time-out ${String(timeoutMs)}`, 'A time-out is a number of milliseconds above 0.');
    }
    if ((timeoutMs === null) !== (typeof onTimeout !== 'function')) {
      throw refuse(
        timeoutMs === null ? 'with `onTimeout` and no `timeoutMs`' : 'with `timeoutMs` and no `onTimeout`',
        'Give both, to answer with what there is when the time is up; or neither, to leave it to the deadline.',
      );
    }
    return { quorum, timeoutMs };
  }
}

/** Labels a record with its branch and its request, by which it is joined. */
class LabelPart extends ProcessFunction<unknown, ScatterPart> {
  readonly #branch: string | null;

  constructor(branch: string | null) {
    super();
    this.#branch = branch;
  }

  override processElement(value: unknown, context: ProcessContext, out: Collector<ScatterPart>): void {
    const request = context.request();
    if (request === undefined) throw withoutRequest(this.#branch);
    out.collect({ branch: this.#branch, correlationId: request.correlationId, value });
  }
}

function withoutRequest(branch: string | null): MillraceError {
  const where = branch === null ? 'a scattered stream' : `branch "${branch}" of a scattered stream`;
  return new MillraceError('MILLRACE_JOB_INVALID', `${where} has a record that came from no request`, {
    details: { branch },
    hint: 'Scatter streams that begin with env.requests(); in a branch, leave out windows, and emit in processElement and not in timers.',
  });
}
