import { MillraceError } from '../base/errors.js';
import { StreamEnvironment } from './environment.js';
import { GraphBuilder } from './internal/graph-builder.js';
import type { JobGraph, OnError } from './internal/transformation.js';

/** What holds for a job as a whole. @public */
export interface JobOptions {
  /**
   * What becomes of a record whose processing threw. Its request, if it came from one, gets a 500 at once, but with `retry`.
   *
   * - `reject`: a record that came from a request is dropped, since its caller was told; any other is treated as with `fail`.
   * - `skip`: the record is dropped and counted.
   * - `fail`: the job goes back to its newest checkpoint and tries again, as its restart strategy says. A record that has
   *   failed `recordFailuresMax` times in a row ends the job with `MILLRACE_RECORD_POISONOUS`; so it does with `reject`.
   * - `dead-letter`: the record is appended to the topic `<job>.dlq`, with what went wrong in its headers, and counted as
   *   with `skip`. The checkpoint that covers the record completes only when its dead letter is durable; after a restart a
   *   letter may be there twice.
   * - `retry`: as `fail`, but a record that has failed `recordFailuresMax` times in a row becomes a dead letter, and the job
   *   goes on without it. Its request waits for the attempts, and gets its 500 after the last.
   *
   * A failure in a timer or in the outcome of an asynchronous request has no record at hand: it stops the job in any case.
   *
   * State that the record changed before its function threw stays changed, unless the job goes back to a checkpoint.
   *
   * @defaultValue 'reject'
   */
  readonly onError?: OnError;
}

/** What a job module exports as its default. Made by {@link defineJob}. @public */
export interface JobDefinition {
  /** As given to {@link defineJob}. */
  readonly name: string;
  /**
   * Runs the author's function on a fresh environment. Each call gives a graph of its own, with function instances of its
   * own where the author makes them inside: each subtask gets one.
   *
   * @throws MillraceError `MILLRACE_JOB_INVALID` for a graph that cannot be right, with the operator's name and what to do
   */
  build(): JobGraph;
}

/** Job names become part of topic names. */
const JOB_NAME_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
const ON_ERROR: ReadonlySet<unknown> = new Set<OnError>(['fail', 'skip', 'reject', 'dead-letter', 'retry']);

/**
 * Defines a job. Nothing runs and nothing is opened: the main thread and every worker import the module and call
 * `build()`, and must get the same graph. So build from constants and configuration, never from chance, time or the
 * thread; and make functions with state of their own (`new CountFunction()`) inside `define`, not beside it.
 *
 * @param name 1 to 64 letters, digits, dashes and underscores: part of topic names.
 * @param define puts the graph together; synchronous.
 * @throws MillraceError `MILLRACE_JOB_INVALID` for a name, function or option that cannot be right
 *
 * @example
 * export default defineJob('hello', (env) => {
 *   env
 *     .requests('GET /hello/:name')
 *     .map((request) => ({ greeting: `Hello, ${request.params.name}` }))
 *     .respond();
 * });
 *
 * @public
 */
export function defineJob(
  name: string,
  define: (env: StreamEnvironment) => void,
  options: JobOptions = {},
): JobDefinition {
  if (typeof name !== 'string' || !JOB_NAME_PATTERN.test(name)) {
    throw new MillraceError('MILLRACE_JOB_INVALID', `a job has the name ${JSON.stringify(name)}`, {
      hint: 'A job name is 1 to 64 letters, digits, dashes and underscores.',
    });
  }
  if (typeof define !== 'function') {
    throw new MillraceError('MILLRACE_JOB_INVALID', `job "${name}" has no function that builds it`, {
      hint: 'Give defineJob a function that takes env.',
    });
  }
  const onError = options.onError ?? 'reject';
  if (!ON_ERROR.has(onError)) {
    throw new MillraceError('MILLRACE_JOB_INVALID', `job "${name}" has onError ${JSON.stringify(onError)}`, {
      hint: 'Choose "reject", "skip", "fail", "dead-letter" or "retry".',
    });
  }
  return { name, build: () => buildJob(name, define, onError) };
}

function buildJob(name: string, define: (env: StreamEnvironment) => unknown, onError: OnError): JobGraph {
  const builder = new GraphBuilder(name);
  const returned = runAuthorsFunction(name, builder, () => define(new StreamEnvironment(builder)));
  if (returned instanceof Promise) {
    // Whatever the promise does later finds the builder sealed; its rejection must not end the process.
    returned.catch(() => undefined);
    throw new MillraceError('MILLRACE_JOB_INVALID', `the function that builds job "${name}" is asynchronous`, {
      details: { job: name },
      hint: 'Load what the job needs at the top of its module, with top-level await, and build without waiting.',
    });
  }
  return builder.build(onError);
}

function runAuthorsFunction(name: string, builder: GraphBuilder, run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    if (MillraceError.is(error, 'MILLRACE_JOB_INVALID')) throw builder.located(error);
    if (MillraceError.is(error)) throw error;
    throw new MillraceError('MILLRACE_JOB_INVALID', `the function that builds job "${name}" threw`, {
      details: { job: name },
      cause: error,
    });
  }
}

/** Whether a module's default export is a job. Structural: the module may have brought another copy of the package. */
export function isJobDefinition(value: unknown): value is JobDefinition {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<JobDefinition>).name === 'string' &&
    typeof (value as Partial<JobDefinition>).build === 'function'
  );
}
