/**
 * What travels with a request that has an `Idempotency-Key`, as texts in record headers and in the request's handle.
 *
 * ```text
 *   request record   options   "<ttlMs>:<conflict|wait>:<key>"          set at the door, so that a replay decides the same
 *   request handle   owner     "<topic>:<partition>:<name>"             who keeps the answer, and under which name
 *   reply record     owner     the same, when the subtask that answers is not the owner
 *   answer record    name      back on the request topic, in the owner's partition
 * ```
 */

/** What the door says about a request with a key. */
export interface IdempotencyOptions {
  readonly key: string;
  /** How long the answer is kept, from the first request on, in milliseconds. */
  readonly ttlMs: number;
  /** What becomes of a request with the key of one that still runs: refused with 409, or answered with it. */
  readonly whileRunning: 'conflict' | 'wait';
}

/** The topic partition whose subtask decides about a key, and the name under which it keeps the request. */
export interface IdempotencyOwner {
  readonly topic: string;
  readonly partition: number;
  readonly name: string;
}

export function formatIdempotency({ key, ttlMs, whileRunning }: IdempotencyOptions): string {
  return `${String(ttlMs)}:${whileRunning}:${key}`;
}

/** `null` for a text that {@link formatIdempotency} did not make: who writes to a request topic may write anything. */
export function parseIdempotency(text: string): IdempotencyOptions | null {
  const match = /^(\d{1,15}):(conflict|wait):(.+)$/s.exec(text);
  if (match === null) return null;
  const [, ttlMs = '', whileRunning = '', key = ''] = match;
  return { key, ttlMs: Number(ttlMs), whileRunning: whileRunning === 'wait' ? 'wait' : 'conflict' };
}

/** Topic names hold no colon. */
export function formatOwner({ topic, partition, name }: IdempotencyOwner): string {
  return `${topic}:${String(partition)}:${name}`;
}

export function parseOwner(text: string): IdempotencyOwner | null {
  const match = /^([^:]+):(\d{1,9}):(.+)$/s.exec(text);
  if (match === null) return null;
  const [, topic = '', partition = '', name = ''] = match;
  return { topic, partition: Number(partition), name };
}
