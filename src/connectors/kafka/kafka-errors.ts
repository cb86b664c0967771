import { ConnectorError, type ErrorDetails } from '../../base/errors.js';
import { createErrorFromCode } from './kafkajs-wire.js';

/** Kafka's error codes that the connector tells apart. Source: https://kafka.apache.org/protocol, "Error codes". */
export const KafkaCode = {
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  MESSAGE_TOO_LARGE: 10,
  RECORD_LIST_TOO_LARGE: 18,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 45,
  DUPLICATE_SEQUENCE_NUMBER: 46,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_PRODUCER_ID_MAPPING: 49,
  UNKNOWN_PRODUCER_ID: 59,
  PRODUCER_FENCED: 90,
} as const;

/** What passes by itself: an election, a busy broker, replicas that are behind. */
const PASSING_CODES: ReadonlySet<number> = new Set([
  2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 72, 74, 75, 76, 89,
]);
const PASSING_TYPES: ReadonlySet<string> = new Set([
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_LOAD_IN_PROGRESS',
  'CONCURRENT_TRANSACTIONS',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'REQUEST_TIMED_OUT',
  'NETWORK_EXCEPTION',
  'NOT_CONTROLLER',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'UNSTABLE_OFFSET_COMMIT',
]);
const CONNECTION_NAMES: ReadonlySet<string> = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSLockTimeout',
]);

/** A topic partition, for messages and details. */
export interface Place {
  readonly topic: string;
  readonly partition?: number;
}

export function isPassing(code: number): boolean {
  return PASSING_CODES.has(code);
}

/** Whether the broker never answered: what was asked for may have happened or not. */
export function isConnectionFailure(error: unknown): boolean {
  return error instanceof Error && CONNECTION_NAMES.has(error.name);
}

/** Whether asking again may help. */
export function isRetriable(error: unknown): boolean {
  return isConnectionFailure(error) || PASSING_TYPES.has(typeOf(error));
}

/** Kafka's name of a protocol error, `FENCED_INSTANCE_ID` say; empty for any other. */
export function typeOf(error: unknown): string {
  const type = (error as { type?: unknown } | null)?.type;
  return typeof type === 'string' ? type : '';
}

/** What a broker answered, as our error. */
export function refusedByBroker(code: number, doing: string, place: Place): ConnectorError {
  const { type, message } = createErrorFromCode(code);
  const details = { ...place, kafkaError: type };
  if (code === KafkaCode.MESSAGE_TOO_LARGE || code === KafkaCode.RECORD_LIST_TOO_LARGE) {
    return new ConnectorError('MILLRACE_RECORD_TOO_LARGE', `a record is too large for ${nameOf(place)}`, {
      details,
      hint: 'Raise max.message.bytes of the topic, or send smaller records.',
    });
  }
  if (code === KafkaCode.UNKNOWN_TOPIC_OR_PARTITION) return topicNotFound(place, details);
  if (FENCED.has(code)) return producerFenced(`${doing} ${nameOf(place)}`, details);
  return new ConnectorError('MILLRACE_BROKER_REFUSED', `Kafka refused to ${doing} ${nameOf(place)}: ${message}`, {
    details,
    hint: 'Check the rights of this client and the settings of the topic.',
  });
}

const FENCED: ReadonlySet<number> = new Set([KafkaCode.INVALID_PRODUCER_EPOCH, KafkaCode.PRODUCER_FENCED]);

export function topicNotFound(place: Place, details: ErrorDetails = { ...place }): ConnectorError {
  return new ConnectorError('MILLRACE_TOPIC_NOT_FOUND', `${nameOf(place)} does not exist`, {
    details,
    hint: 'Create it, or let the job create it by reading from it.',
  });
}

export function producerFenced(doing: string, details: ErrorDetails): ConnectorError {
  return new ConnectorError('MILLRACE_PRODUCER_FENCED', `another instance has taken over: it is too late to ${doing}`, {
    details,
    hint: 'Nothing to do: this instance joins its group again.',
  });
}

/** Kafka could not be reached, or did not answer in time. */
export function brokerUnavailable(doing: string, brokers: readonly string[], cause?: unknown): ConnectorError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new ConnectorError('MILLRACE_BROKER_UNAVAILABLE', `cannot ${doing} at ${brokers.join(', ')}${why}`, {
    details: { brokers },
    hint: 'Check that the brokers run and can be reached from here.',
    cause,
  });
}

/** Anything that a request threw, as our error. */
export function asConnectorError(error: unknown, doing: string, brokers: readonly string[]): ConnectorError {
  if (error instanceof ConnectorError) return error;
  const type = typeOf(error);
  if (FENCED_TYPES.has(type)) return producerFenced(doing, { kafkaError: type });
  if (isRetriable(error)) return brokerUnavailable(doing, brokers, error);
  const why = error instanceof Error ? error.message : String(error);
  return new ConnectorError('MILLRACE_BROKER_REFUSED', `Kafka refused to ${doing}: ${why}`, {
    details: { brokers, kafkaError: type },
    hint: 'Check user, password and rights of this client, and the settings of the brokers.',
    cause: error,
  });
}

const FENCED_TYPES: ReadonlySet<string> = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTION_COORDINATOR_FENCED',
]);

function nameOf({ topic, partition }: Place): string {
  return partition === undefined ? `topic "${topic}"` : `topic "${topic}", partition ${String(partition)}`;
}
