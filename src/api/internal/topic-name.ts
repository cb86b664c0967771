import { MillraceError } from '../../base/errors.js';

/** Kafka's own rule. */
const TOPIC_PATTERN = /^[A-Za-z0-9._-]{1,249}$/;

/** Throws `MILLRACE_JOB_INVALID` for a name that neither Kafka nor a folder takes. */
export function requireTopicName(name: unknown): asserts name is string {
  if (typeof name === 'string' && TOPIC_PATTERN.test(name) && name !== '.' && name !== '..') return;
  const shown = typeof name === 'string' ? JSON.stringify(name) : String(name);
  throw new MillraceError('MILLRACE_JOB_INVALID', `a topic has the name ${shown}`, {
    hint: 'A topic name is 1 to 249 letters, digits, dots, dashes and underscores.',
  });
}
