/** Settings of the transport kafka: a part of the table in config-table.ts. */
import type { SettingTable } from './setting.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const kafkaSettings = {
  brokers: {
    section: 'Kafka',
    kind: 'list',
    placeholder: 'host:port,…',
    default: [],
    description: 'Kafka brokers as host:port. Needed with transport kafka.',
  },
  group: {
    section: 'Kafka',
    kind: 'text',
    placeholder: 'name',
    default: 'millrace',
    description: 'Kafka consumer group. Instances of one group share the partitions.',
  },
  kafkaStateStore: {
    section: 'Kafka',
    kind: 'optional-text',
    placeholder: 'place',
    default: null,
    defaultText: 'the folder group in the data folder',
    description:
      'Folder, or s3://bucket/prefix, that all instances of the group reach: through it the state of a shard follows its partition. Needed for more than one instance.',
  },
  kafkaAdvertisedUrl: {
    section: 'Kafka',
    kind: 'optional-text',
    placeholder: 'url',
    default: null,
    defaultText: 'the address it listens on, or the name of the machine',
    description:
      'Where the other instances of the group reach the admin API of this one, to read the state of keys that it owns.',
  },
  kafkaSessionTimeoutMs: {
    section: 'Kafka',
    kind: 'integer',
    unit: 'ms',
    default: 10 * SECOND,
    least: SECOND,
    most: HOUR,
    description: 'Silence after which the group takes an instance for dead, and others take over its shards.',
  },
  kafkaRepartition: {
    section: 'Kafka',
    kind: 'switch',
    default: true,
    description:
      'Records that change their key go through a topic, so that all instances share such a job, at the cost of a commit for each change. Off: one instance runs it and exchanges them in memory, and the others stand by. The same in all instances.',
  },
  kafkaTls: {
    section: 'Kafka',
    kind: 'switch',
    default: false,
    description: 'Connect to the brokers over TLS.',
  },
  kafkaTlsCa: {
    section: 'Kafka',
    kind: 'optional-text',
    placeholder: 'path',
    default: null,
    defaultText: "Node.js's own",
    description: 'File of certificates (PEM) of the authorities that the brokers are trusted by.',
  },
  kafkaSaslMechanism: {
    section: 'Kafka',
    kind: 'choice',
    default: 'none',
    choices: ['none', 'plain', 'scram-sha-256', 'scram-sha-512'],
    description: 'How to log in at the brokers.',
  },
  kafkaUsername: {
    section: 'Kafka',
    kind: 'optional-text',
    placeholder: 'name',
    default: null,
    defaultText: 'none',
    description: 'User to log in as.',
  },
  kafkaPassword: {
    section: 'Kafka',
    kind: 'optional-text',
    placeholder: 'text',
    default: null,
    defaultText: 'none',
    secret: true,
    description: 'Password of the user. Better in the environment than on a command line.',
  },
  kafkaCompression: {
    section: 'Kafka',
    kind: 'choice',
    default: 'none',
    choices: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    description: 'Codec of what Millrace writes. It reads all of them.',
  },
  kafkaReplicationFactor: {
    section: 'Kafka',
    kind: 'integer',
    unit: 'none',
    default: 0,
    least: 0,
    most: 100,
    description: "Copies of the topics that Millrace creates; 0 leaves it to the brokers' own default.",
  },
  kafkaRequestTimeoutMs: {
    section: 'Kafka',
    kind: 'integer',
    unit: 'ms',
    default: 10 * SECOND,
    least: SECOND,
    most: HOUR,
    description: 'Time for a broker to answer; then its connection is given up and another is tried.',
  },
  kafkaDeliveryTimeoutMs: {
    section: 'Kafka',
    kind: 'integer',
    unit: 'ms',
    default: 2 * MINUTE,
    least: SECOND,
    most: DAY,
    description: 'Time for a record to be stored, over all tries; then it is refused.',
  },
  kafkaTransactionTimeoutMs: {
    section: 'Kafka',
    kind: 'integer',
    unit: 'ms',
    default: MINUTE,
    least: SECOND,
    most: HOUR,
    description:
      'Silence after which the brokers abort a transaction. Longer than a checkpoint interval, at most what the brokers allow.',
  },
} as const satisfies SettingTable;
