/**
 * The names of the topics that a job creates for itself. Job names hold no dot, so two jobs never share a topic, and no
 * uid can make a request topic look like another one.
 */

/** Requests of one source, on their way in. */
export function requestTopicName(jobName: string, sourceUid: string): string {
  return `${jobName}.requests.${sourceUid}`;
}

/** Records whose processing failed, of a job with `onError: 'dead-letter'` or `'retry'`. */
export function deadLetterTopicName(jobName: string): string {
  return `${jobName}.dlq`;
}

/** Answers to requests, on their way out. */
export function responseTopicName(jobName: string): string {
  return `${jobName}.responses`;
}

/**
 * Records on their way to the shards of another key, over all instances of a group; named as Kafka Streams does.
 *
 * @param ordinal counts the streams that reach the operator by such a topic, from 1
 */
export function repartitionTopicName(group: string, jobName: string, targetUid: string, ordinal: number): string {
  const suffix = ordinal === 1 ? '' : `-${String(ordinal)}`;
  return `${group}-${jobName}.${targetUid}-repartition${suffix}`;
}
