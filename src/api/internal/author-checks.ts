import { MillraceError } from '../../base/errors.js';

/**
 * Checks of what an author hands in, for authors without a compiler: a wrong argument is refused while the job is built, with
 * the author's line in the stack, and not by the first record. All throw `MILLRACE_JOB_INVALID`.
 */

/** Kafka's own rule. */
const TOPIC_PATTERN = /^[A-Za-z0-9._-]{1,249}$/;

/** A name that both Kafka and a folder take. */
export function requireTopicName(name: unknown): asserts name is string {
  if (typeof name === 'string' && TOPIC_PATTERN.test(name) && name !== '.' && name !== '..') return;
  const shown = typeof name === 'string' ? JSON.stringify(name) : String(name);
  throw new MillraceError('MILLRACE_JOB_INVALID', `a topic has the name ${shown}`, {
    hint: 'A topic name is 1 to 249 letters, digits, dots, dashes and underscores.',
  });
}

/** An object with the three parts of a serde. */
export function requireSerde(serde: unknown, what: string): void {
  const parts = (typeof serde === 'object' && serde !== null ? serde : {}) as Readonly<Record<string, unknown>>;
  const { name, serialise, deserialise } = parts;
  if (typeof name === 'string' && typeof serialise === 'function' && typeof deserialise === 'function') return;
  throw new MillraceError('MILLRACE_JOB_INVALID', `${what} has no serde`, {
    hint: 'Give it jsonSerde(), or an object with name, serialise and deserialise.',
  });
}

/** A function, or nothing. */
export function requireKeyFunction(key: unknown, what: string): void {
  if (key === undefined || key === null || typeof key === 'function') return;
  throw new MillraceError('MILLRACE_JOB_INVALID', `the key of ${what} is no function`, {
    hint: 'Give a function from a value to its key.',
  });
}

/** Of triggers: counts and times. */
export function requireAboveZero(value: number, what: string): void {
  if (Number.isFinite(value) && value > 0) return;
  throw new MillraceError('MILLRACE_JOB_INVALID', `${what} is ${String(value)}, but must be above 0`);
}
