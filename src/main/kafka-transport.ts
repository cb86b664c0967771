import { readFile } from 'node:fs/promises';
import type { Config } from '../base/config-table.js';
import { ConfigError, MillraceError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { KafkaClientOptions } from '../connectors/kafka/kafka-connection.js';
import { KafkaTopics } from '../connectors/kafka/kafka-topics.js';

const RETRY_MS = 500;

/** How the settings say that Kafka is to be reached. @throws ConfigError when the file of certificates cannot be read */
export async function kafkaClientOptions(config: Config, logger: Logger): Promise<KafkaClientOptions> {
  return {
    brokers: config.brokers,
    clientId: `millrace-${config.group}`,
    tls: config.kafkaTls ? await tlsOptions(config) : null,
    sasl: saslOptions(config),
    requestTimeoutMs: config.kafkaRequestTimeoutMs,
    logger,
  };
}

/**
 * Opens the topics, and goes on trying while no broker answers.
 *
 * @param onWaiting told why, each time
 * @param isWanted whether to try once more
 * @throws ConnectorError `MILLRACE_BROKER_REFUSED`: trying again would not help
 */
export async function openKafkaTopics(
  config: Config,
  client: KafkaClientOptions,
  { onWaiting, isWanted }: { onWaiting: (cause: MillraceError) => void | Promise<void>; isWanted: () => boolean },
): Promise<KafkaTopics> {
  for (;;) {
    try {
      return await KafkaTopics.open({
        client,
        compression: config.kafkaCompression,
        replicationFactor: config.kafkaReplicationFactor === 0 ? null : config.kafkaReplicationFactor,
        deliveryTimeoutMs: config.kafkaDeliveryTimeoutMs,
        transactionTimeoutMs: config.kafkaTransactionTimeoutMs,
      });
    } catch (error) {
      if (!MillraceError.is(error, 'MILLRACE_BROKER_UNAVAILABLE') || !isWanted()) throw error;
      await onWaiting(error);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, RETRY_MS);
    });
  }
}

async function tlsOptions({ kafkaTlsCa }: Config): Promise<{ ca?: string }> {
  if (kafkaTlsCa === null) return {};
  try {
    return { ca: await readFile(kafkaTlsCa, 'utf8') };
  } catch (cause) {
    throw new ConfigError(`the file of certificates "${kafkaTlsCa}" cannot be read`, {
      hint: 'Check the path given with --kafka-tls-ca.',
      cause,
    });
  }
}

function saslOptions({ kafkaSaslMechanism, kafkaUsername, kafkaPassword }: Config): KafkaClientOptions['sasl'] {
  if (kafkaSaslMechanism === 'none') return null;
  return { mechanism: kafkaSaslMechanism, username: kafkaUsername ?? '', password: kafkaPassword ?? '' };
}
