import { describe, inject } from 'vitest';
import { silentLogger } from '../../src/base/log.js';
import type { KafkaClientOptions } from '../../src/connectors/kafka/kafka-connection.js';
import { KafkaTopics, type KafkaTopicsOptions } from '../../src/connectors/kafka/kafka-topics.js';
import type { ServiceOptions } from './service-process.js';
import { KafkaCluster } from '../../tools/kafka/cluster.mjs';

/** A group of tests on the broker of the run; skipped, with a word from the set-up, where there is none. */
export function describeOnKafka(name: string, tests: () => void): void {
  describe.skipIf(inject('kafkaDir') === null)(name, tests);
}

/** The cluster of the run: one broker, which tests leave as they found it. */
export async function sharedCluster(): Promise<KafkaCluster> {
  return KafkaCluster.open(inject('kafkaDir') ?? '');
}

export function clientOptions(brokers: string, changes: Partial<KafkaClientOptions> = {}): KafkaClientOptions {
  return {
    brokers: brokers.split(','),
    clientId: 'millrace-test',
    tls: null,
    sasl: null,
    requestTimeoutMs: 10_000,
    logger: silentLogger,
    ...changes,
  };
}

export async function openTopics(brokers: string, changes: Partial<KafkaTopicsOptions> = {}): Promise<KafkaTopics> {
  return KafkaTopics.open({
    client: clientOptions(brokers),
    compression: 'none',
    replicationFactor: null,
    deliveryTimeoutMs: 60_000,
    transactionTimeoutMs: 60_000,
    ...changes,
  });
}

/** A topic name that no earlier test of this broker has used. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${process.pid}-${Date.now().toString(36)}-${(count++).toString()}`;
}
let count = 0;

/** A service with a job of this name, on the broker of the run or on other ones. */
export async function kafkaService(
  job: string,
  changes: { brokers?: string; args?: readonly string[] } = {},
): Promise<ServiceOptions> {
  const brokers = changes.brokers ?? (await sharedCluster()).bootstrap;
  return {
    job: 'kafka-counters',
    args: ['--transport', 'kafka', '--brokers', brokers, '--group', job, '--parallelism', '1', ...(changes.args ?? [])],
    env: { TEST_JOB: job },
  };
}
