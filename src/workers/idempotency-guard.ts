/**
 * Decides about requests with an `Idempotency-Key`: the first one runs, its repetitions are answered from what is kept of it.
 *
 * ```text
 *               first request                      its answer
 *     unknown ───────────────▶ RUNNING ──────────────────────────▶ ANSWERED ──ttl──▶ unknown
 *                               repetition: 409, or it waits        repetition: the same answer again
 *                               another payload: 422                another payload: 422
 * ```
 *
 * It runs in the subtask that owns the request's topic partition, before the request's record goes into the chain, over keyed
 * state of the source. So the decision is made by one thread, in the order of a durable log, and is part of every checkpoint.
 *
 * - Whatever it decides, it decides by what the log holds: options, payload and times of the records, never by a clock. A
 *   replay decides the same.
 * - An answer that arises in this subtask is kept at once. One from elsewhere comes back through the log: main puts it on the
 *   request topic, in the owner's partition, before the checkpoint that covers it completes, and the first one counts.
 * - An answer says what became of the request for good. Of a failure that restarts the job nothing is kept: the replay runs
 *   the request again.
 *
 * Thread: its worker.
 */
import { createHash } from 'node:crypto';
import { type IdempotencyOptions, formatOwner, parseIdempotency, parseOwner } from '../api/internal/idempotency.js';
import {
  CONTENT_TYPE_HEADER,
  CORRELATION_ID_HEADER,
  IDEMPOTENCY_HEADER,
  REQUEST_HEADER,
  type RequestLine,
  STATUS_HEADER,
} from '../api/internal/request-headers.js';
import type { InternalMapState, InternalValueState, KeyedStateBackend } from '../api/internal/state-backend.js';
import { mapState, valueState } from '../api/keyed-state.js';
import type { RequestHandle } from '../api/process-function.js';
import type { KeyGroup } from '../base/ids.js';
import type { TopicRecordCursor } from '../protocol/topic-record-codec.js';

/** An answer as it goes to a client. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** How the guard answers: the subtask's response writer. */
export interface GuardResponses {
  /** Sends an answer that was given before. */
  repeat(handle: RequestHandle, answer: Answer): void;
  refuse(handle: RequestHandle, code: 'MILLRACE_IDEMPOTENCY_CONFLICT' | 'MILLRACE_IDEMPOTENCY_MISMATCH'): void;
}

/** What is kept of a request. */
interface KeptRequest {
  readonly fingerprint: string;
  /** Of the request that runs, or ran. */
  readonly correlationId: string;
  /** By the time of the records, in milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly answer: Answer | null;
  /** Repetitions that wait for the answer. */
  readonly waiters: readonly RequestHandle[];
}

/** Requests that expire in one minute are removed together. */
const BUCKET_MS = 60_000;

interface GuardStates {
  readonly requests: InternalValueState<KeptRequest>;
  readonly expiring: InternalMapState<string, number>;
  readonly oldestBucket: InternalValueState<number>;
}

/** What a request source keeps, for whoever opens its state without requests to decide about. */
export function declareGuardStates(backend: Pick<KeyedStateBackend, 'valueState' | 'mapState'>): GuardStates {
  return {
    requests: backend.valueState(valueState<KeptRequest>('idempotent-requests')),
    expiring: backend.mapState(mapState<string, number>('idempotent-requests-expiring')),
    oldestBucket: backend.valueState(valueState<number>('idempotent-requests-oldest')),
  };
}

export class IdempotencyGuard {
  readonly #topic: string;
  readonly #partitions: ReadonlySet<number>;
  readonly #responses: GuardResponses;
  readonly #backend: KeyedStateBackend;
  readonly #requests: InternalValueState<KeptRequest>;
  /** By bucket: the names of the requests that expire in it. */
  readonly #expiring: InternalMapState<string, number>;
  /** By topic partition: the first bucket that may hold anything. */
  readonly #oldestBucket: InternalValueState<number>;
  /** By topic partition: buckets before this were looked at. */
  readonly #cleanedUpTo = new Map<number, number>();

  constructor(options: {
    readonly topic: string;
    readonly partitions: readonly number[];
    readonly backend: KeyedStateBackend;
    readonly responses: GuardResponses;
  }) {
    const { backend } = options;
    this.#topic = options.topic;
    this.#partitions = new Set(options.partitions);
    this.#responses = options.responses;
    this.#backend = backend;
    const states = declareGuardStates(backend);
    this.#requests = states.requests;
    this.#expiring = states.expiring;
    this.#oldestBucket = states.oldestBucket;
  }

  /**
   * Decides about the request that the cursor stands on.
   *
   * @returns its handle to run it with; `null` when it must not run: it has been answered, or will be
   */
  admit(record: TopicRecordCursor, handle: RequestHandle): RequestHandle | null {
    const options = parseIdempotency(record.headerText(IDEMPOTENCY_HEADER) ?? '');
    if (options === null) return handle;
    const { partition, timestamp } = record;
    const line = JSON.parse(record.headerText(REQUEST_HEADER) ?? '{}') as RequestLine;
    const name = nameOf(line.route, options.key, record.key);
    const fingerprint = fingerprintOf(line, record.value);
    this.#removeExpired(partition, timestamp);
    this.#enter(name, partition);
    const kept = this.#requests.value();
    if (kept === undefined || timestamp >= kept.expiresAt) {
      this.#keep(name, partition, { options, timestamp, fingerprint, handle });
      return { ...handle, idempotency: formatOwner({ topic: this.#topic, partition, name }) };
    }
    this.#repeat(kept, handle, { fingerprint, options });
    return null;
  }

  /** Whether an answer for this owner arises where it is kept. */
  owns(owner: string): boolean {
    const parsed = parseOwner(owner);
    return parsed !== null && parsed.topic === this.#topic && this.#partitions.has(parsed.partition);
  }

  /** Keeps an answer that arose in this subtask. The body is the guard's from now on. */
  keepAnswer(owner: string, correlationId: string, answer: Answer): void {
    const parsed = parseOwner(owner);
    if (parsed !== null) this.#answered(parsed.partition, parsed.name, correlationId, answer);
  }

  /** Takes an answer that came back through the log, under the name that the record gives. */
  takeAnswer(record: TopicRecordCursor, name: string): void {
    this.#answered(record.partition, name, record.headerText(CORRELATION_ID_HEADER) ?? '', {
      status: Number(record.headerText(STATUS_HEADER, 'latin1') ?? 200),
      contentType: record.headerText(CONTENT_TYPE_HEADER, 'latin1') ?? 'application/json',
      body: Uint8Array.from(record.value ?? []),
    });
  }

  #keep(
    name: string,
    partition: number,
    request: { options: IdempotencyOptions; timestamp: number; fingerprint: string; handle: RequestHandle },
  ): void {
    const { options, timestamp, fingerprint, handle } = request;
    const expiresAt = timestamp + options.ttlMs;
    const { correlationId } = handle;
    this.#requests.update({ fingerprint, correlationId, expiresAt, answer: null, waiters: [] });
    const bucket = Math.floor(expiresAt / BUCKET_MS);
    this.#enter(bucketName(partition, bucket), partition);
    this.#expiring.put(name, expiresAt);
    this.#enter(partitionName(partition), partition);
    const oldest = this.#oldestBucket.value();
    if (oldest === undefined || bucket < oldest) this.#oldestBucket.update(bucket);
  }

  /** A record that comes a second time, as a retried append may, is neither answered with a conflict nor made to wait for itself. */
  #repeat(
    kept: KeptRequest,
    handle: RequestHandle,
    { fingerprint, options }: { fingerprint: string; options: IdempotencyOptions },
  ): void {
    if (kept.fingerprint !== fingerprint) return this.#responses.refuse(handle, 'MILLRACE_IDEMPOTENCY_MISMATCH');
    if (kept.answer !== null) return this.#responses.repeat(handle, kept.answer);
    if (kept.correlationId === handle.correlationId) return;
    if (options.whileRunning === 'conflict') return this.#responses.refuse(handle, 'MILLRACE_IDEMPOTENCY_CONFLICT');
    this.#requests.update({ ...kept, waiters: [...kept.waiters, handle] });
  }

  #answered(partition: number, name: string, correlationId: string, answer: Answer): void {
    if (!this.#partitions.has(partition)) return;
    this.#enter(name, partition);
    const kept = this.#requests.value();
    if (kept === undefined || kept.answer !== null || kept.correlationId !== correlationId) return;
    this.#requests.update({ ...kept, answer, waiters: [] });
    for (const waiter of kept.waiters) this.#responses.repeat(waiter, answer);
  }

  /** Once a minute of the records' time: what expired before is removed, bucket by bucket. */
  #removeExpired(partition: number, now: number): void {
    const bucketOfNow = Math.floor(now / BUCKET_MS);
    if ((this.#cleanedUpTo.get(partition) ?? -1) >= bucketOfNow) return;
    this.#cleanedUpTo.set(partition, bucketOfNow);
    this.#enter(partitionName(partition), partition);
    const oldest = this.#oldestBucket.value();
    if (oldest === undefined || oldest >= bucketOfNow) return;
    this.#oldestBucket.update(bucketOfNow);
    for (let bucket = oldest; bucket < bucketOfNow; bucket++) this.#removeBucket(partition, bucket, now);
  }

  #removeBucket(partition: number, bucket: number, now: number): void {
    this.#enter(bucketName(partition, bucket), partition);
    const names = [...this.#expiring.keys()];
    if (names.length === 0) return;
    this.#expiring.clear();
    for (const name of names) {
      this.#enter(name, partition);
      // A request may have come again after it expired: it then has another time.
      if ((this.#requests.value()?.expiresAt ?? Infinity) <= now) this.#requests.clear();
    }
  }

  /**
   * The state of a topic partition lies in the shard of the same number, and so moves with it: for a key group below the
   * number of shards the shard is the key group.
   */
  #enter(key: string, partition: number): void {
    this.#backend.setCurrentKeyAndGroup(key, partition as KeyGroup);
  }
}

/** Scope: the route, the record's key, and the client's key. */
function nameOf(route: string, key: string, recordKey: Uint8Array | null): string {
  return JSON.stringify([route, key, recordKey === null ? null : Buffer.from(recordKey).toString('base64')]);
}

function bucketName(partition: number, bucket: number): string {
  return `expiring ${String(partition)} ${String(bucket)}`;
}

function partitionName(partition: number): string {
  return `partition ${String(partition)}`;
}

/** Tells payloads apart. Forwarded headers are not part of it: a proxy may add to them from one try to the next. */
function fingerprintOf({ method, path, query }: RequestLine, body: Uint8Array | null): string {
  const hash = createHash('sha256').update(JSON.stringify([method, path, query]));
  if (body !== null) hash.update(body);
  return hash.digest('base64url');
}
