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
