/**
 * The one hierarchy of errors and the one table of their codes.
 *
 * A code is a contract: it is documented in `docs/errors.md`, never renamed and never reused. The text of a message may
 * change. Recognise an error by its code with {@link MillraceError.is}, not by `instanceof` and not by text: two copies of
 * the package may live in one process, and an error may have crossed a thread.
 */

/**
 * What the runtime does about an error.
 *
 * - `reject`: the caller is told; nothing else happens.
 * - `retry`: bounded retries with back-off.
 * - `restart`: from the last checkpoint, by the job's restart strategy.
 * - `fail`: stops the job; a human decides.
 * - `crash`: a defect of Millrace: stop the thread and keep the evidence.
 *
 * @public
 */
export type Recovery = 'reject' | 'retry' | 'restart' | 'fail' | 'crash';

/** Every code, with what the runtime does and the HTTP status a caller sees. Sorted by subject. @public */
export const errorCodes = {
  // requests
  MILLRACE_REQUEST_INVALID: { recovery: 'reject', http: 400 },
  MILLRACE_UNAUTHORIZED: { recovery: 'reject', http: 401 },
  MILLRACE_FORBIDDEN: { recovery: 'reject', http: 403 },
  MILLRACE_REQUEST_NOT_FOUND: { recovery: 'reject', http: 404 },
  MILLRACE_METHOD_NOT_ALLOWED: { recovery: 'reject', http: 405 },
  MILLRACE_REQUEST_TIMEOUT: { recovery: 'reject', http: 408 },
  MILLRACE_REQUEST_TOO_LARGE: { recovery: 'reject', http: 413 },
  MILLRACE_MEDIA_TYPE_UNSUPPORTED: { recovery: 'reject', http: 415 },
  MILLRACE_RATE_LIMITED: { recovery: 'retry', http: 429 },
  MILLRACE_HEADERS_TOO_LARGE: { recovery: 'reject', http: 431 },
  MILLRACE_REQUEST_ABORTED: { recovery: 'reject', http: 499 },
  MILLRACE_IDEMPOTENCY_KEY_MISSING: { recovery: 'reject', http: 400 },
  MILLRACE_IDEMPOTENCY_CONFLICT: { recovery: 'reject', http: 409 },
  MILLRACE_IDEMPOTENCY_MISMATCH: { recovery: 'reject', http: 422 },
  MILLRACE_BACKPRESSURE: { recovery: 'retry', http: 503 },
  MILLRACE_SHUTTING_DOWN: { recovery: 'retry', http: 503 },
  MILLRACE_NOT_READY: { recovery: 'retry', http: 503 },
  MILLRACE_DEADLINE_EXCEEDED: { recovery: 'reject', http: 504 },
  MILLRACE_INTERNAL: { recovery: 'reject', http: 500 },
  // job author
  MILLRACE_CONFIG_INVALID: { recovery: 'fail', http: 500 },
  MILLRACE_JOB_LOAD_FAILED: { recovery: 'fail', http: 500 },
  MILLRACE_JOB_INVALID: { recovery: 'fail', http: 500 },
  MILLRACE_GRAPH_MISMATCH: { recovery: 'fail', http: 500 },
  MILLRACE_USER_FUNCTION_FAILED: { recovery: 'restart', http: 500 },
  MILLRACE_RECORD_POISONOUS: { recovery: 'fail', http: 500 },
  MILLRACE_SERIALISATION_FAILED: { recovery: 'restart', http: 500 },
  MILLRACE_DESERIALISATION_FAILED: { recovery: 'restart', http: 400 },
  MILLRACE_TIMESTAMP_MISSING: { recovery: 'restart', http: 500 },
  MILLRACE_STATE_NO_KEY: { recovery: 'restart', http: 500 },
  MILLRACE_STATE_CONFLICT: { recovery: 'fail', http: 500 },
  // threads
  MILLRACE_WORKER_DIED: { recovery: 'restart', http: 500 },
  MILLRACE_CONTROL_TIMEOUT: { recovery: 'restart', http: 500 },
  MILLRACE_CHANNEL_OVERFLOW: { recovery: 'restart', http: 500 },
  // state and checkpoints
  MILLRACE_CHECKPOINT_DECLINED: { recovery: 'retry', http: 500 },
  MILLRACE_CHECKPOINT_EXPIRED: { recovery: 'retry', http: 500 },
  MILLRACE_CHECKPOINT_STORE_FAILED: { recovery: 'retry', http: 503 },
  MILLRACE_STATE_CORRUPT: { recovery: 'fail', http: 500 },
  MILLRACE_STATE_MIGRATION_FAILED: { recovery: 'fail', http: 500 },
  MILLRACE_STATE_INCOMPATIBLE: { recovery: 'fail', http: 500 },
  // topics and disk
  MILLRACE_TOPIC_NOT_FOUND: { recovery: 'fail', http: 404 },
  MILLRACE_TOPIC_PARTITIONS_MISMATCH: { recovery: 'fail', http: 500 },
  MILLRACE_OFFSET_OUT_OF_RANGE: { recovery: 'fail', http: 500 },
  MILLRACE_RECORD_TOO_LARGE: { recovery: 'reject', http: 413 },
  MILLRACE_LOG_CORRUPT: { recovery: 'fail', http: 500 },
  MILLRACE_STORAGE_FULL: { recovery: 'retry', http: 503 },
  MILLRACE_STORAGE_FAILED: { recovery: 'fail', http: 500 },
  MILLRACE_DATA_DIR_LOCKED: { recovery: 'fail', http: 500 },
  MILLRACE_DATA_DIR_UNUSABLE: { recovery: 'fail', http: 500 },
  MILLRACE_BROKER_UNAVAILABLE: { recovery: 'retry', http: 503 },
  MILLRACE_BROKER_REFUSED: { recovery: 'fail', http: 500 },
  MILLRACE_PRODUCER_FENCED: { recovery: 'restart', http: 503 },
  MILLRACE_ADDRESS_IN_USE: { recovery: 'fail', http: 500 },
  // defects
  MILLRACE_INVARIANT_VIOLATED: { recovery: 'crash', http: 500 },
} as const satisfies Record<string, { recovery: Recovery; http: number }>;

/** One of the codes: what each means, what causes and cures it, says `docs/errors.md`. @public */
export type ErrorCode = keyof typeof errorCodes;

/** Plain facts about an error: where it happened and with which values. Never secrets, never whole records. @public */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** What an error says beside its code and message. @public */
export interface MillraceErrorOptions {
  /** Where and with which values: operator, topic, topic partition, offset, key. */
  readonly details?: ErrorDetails;
  /** A sentence that says what to do about it. */
  readonly hint?: string;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** An error as plain data, the form in which it crosses threads: structured clone would drop class, code and details. */
export interface WireError {
  readonly name: string;
  readonly code: ErrorCode | null;
  readonly message: string;
  readonly stack: string | null;
  readonly details: ErrorDetails | null;
  readonly hint: string | null;
  readonly cause: WireError | null;
}

const brand = Symbol.for('millrace.error');

/**
 * Every error that Millrace throws on purpose.
 *
 * `message` is a lower-case clause that says what was attempted and on what; `hint`, if any, a sentence that says what to
 * do; `details` the facts as data.
 *
 * @example
 * if (MillraceError.is(error, 'MILLRACE_BACKPRESSURE')) retryLater();
 *
 * @public
 */
export class MillraceError extends Error {
  /** The contract: never renamed, never used for something else. */
  readonly code: ErrorCode;
  /** Where it happened and with which values; `null` when there is nothing to tell. */
  readonly details: ErrorDetails | null;
  /** A sentence that says what to do about it; `null` when there is none. */
  readonly hint: string | null;

  constructor(code: ErrorCode, message: string, options: MillraceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? null;
    this.hint = options.hint ?? null;
    Object.defineProperty(this, brand, { value: true });
  }

  /** What the runtime does about this error. */
  get recovery(): Recovery {
    return errorCodes[this.code].recovery;
  }

  /** The HTTP status that a caller sees for this error. */
  get httpStatus(): number {
    return errorCodes[this.code].http;
  }

  /** Whether `error` is a Millrace error, of this code when one is given. Holds across package copies and threads. */
  static is(error: unknown, code?: ErrorCode): error is MillraceError {
    if (typeof error !== 'object' || error === null || !(brand in error)) return false;
    return code === undefined || (error as unknown as MillraceError).code === code;
  }
}

/** A setting that is unknown, of the wrong type or out of bounds. One error names every wrong field. @public */
export class ConfigError extends MillraceError {
  constructor(message: string, options: MillraceErrorOptions = {}) {
    super('MILLRACE_CONFIG_INVALID', message, options);
  }
}

/** A function of the job's author threw. `cause` is what it threw; `details` name operator, subtask and key. @public */
export class UserFunctionError extends MillraceError {
  constructor(message: string, options: MillraceErrorOptions = {}) {
    super('MILLRACE_USER_FUNCTION_FAILED', message, options);
  }
}

/** Topic I/O failed: a log file, a disk, a broker. @public */
export class ConnectorError extends MillraceError {}

/** Turns any thrown value into plain data that survives structured clone. Depth of causes is bounded. */
export function toWire(error: unknown, depth = 0): WireError {
  if (!(error instanceof Error)) {
    return { name: 'Error', code: null, message: String(error), stack: null, details: null, hint: null, cause: null };
  }
  const isOurs = MillraceError.is(error);
  return {
    name: error.name,
    code: isOurs ? error.code : null,
    message: error.message,
    stack: error.stack ?? null,
    details: isOurs ? error.details : null,
    hint: isOurs ? error.hint : null,
    cause: error.cause === undefined || depth >= MAX_CAUSE_DEPTH ? null : toWire(error.cause, depth + 1),
  };
}

const MAX_CAUSE_DEPTH = 8;

const subclasses: ReadonlyMap<string, new (message: string, options: MillraceErrorOptions) => MillraceError> = new Map([
  ['ConfigError', ConfigError],
  ['UserFunctionError', UserFunctionError],
]);

/** Rebuilds an error from {@link toWire}: same class where a subclass exists, same code, details, hint, stack and causes. */
export function fromWire(wire: WireError): Error {
  const cause = wire.cause === null ? undefined : fromWire(wire.cause);
  const error = wire.code === null ? foreignError(wire, cause) : ourError(wire, wire.code, cause);
  if (wire.stack !== null) error.stack = wire.stack;
  return error;
}

function foreignError(wire: WireError, cause: Error | undefined): Error {
  const error = new Error(wire.message, cause === undefined ? undefined : { cause });
  error.name = wire.name;
  return error;
}

function ourError(wire: WireError, code: ErrorCode, cause: Error | undefined): MillraceError {
  const options: MillraceErrorOptions = {
    ...(wire.details === null ? {} : { details: wire.details }),
    ...(wire.hint === null ? {} : { hint: wire.hint }),
    ...(cause === undefined ? {} : { cause }),
  };
  const Subclass = subclasses.get(wire.name);
  if (Subclass !== undefined) return new Subclass(wire.message, options);
  if (wire.name === 'ConnectorError') return new ConnectorError(code, wire.message, options);
  return new MillraceError(code, wire.message, options);
}
