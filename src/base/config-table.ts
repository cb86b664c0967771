/**
 * Every setting of a Millrace process: one table with type, default, unit and bounds. Flags, environment variables, the
 * config file, `--help` and docs/configuration.md all follow from it.
 *
 * A key is written `dataDir` in the config file, `--data-dir` as a flag and `MILLRACE_DATA_DIR` in the environment.
 */
import { httpSettings } from './http-settings.js';
import { kafkaSettings } from './kafka-settings.js';
import { restartSettings } from './config-restarts.js';
import type { Machine, SettingTable, SettingValue } from './setting.js';
import { tracingSettings } from './tracing-settings.js';
import { DAY, GIB, HOUR, KIB, MIB, MINUTE, SECOND } from './units.js';

/** Shards that a data folder is created with. Equal to `DEFAULT_SHARD_COUNT` (api/internal/key-groups.ts). */
const SHARD_COUNT = 16;

/** One core is left to the main thread: HTTP, topics and checkpoints. More than 16 threads have nothing to own by default. */
function defaultParallelism(machine: Machine): number {
  return Math.min(SHARD_COUNT, Math.max(1, machine.availableCores - 1));
}

/** The table, in the order of `--help`. */
export const settings = {
  job: {
    section: 'Job',
    kind: 'optional-text',
    placeholder: 'path',
    default: null,
    defaultText: 'the built-in demo job',
    description: 'Path of the job module: a JavaScript module whose default export is a job.',
  },
  parallelism: {
    section: 'Job',
    kind: 'integer',
    unit: 'none',
    default: defaultParallelism,
    defaultText: 'available cores - 1, at least 1, at most 16',
    least: 1,
    most: 256,
    description: 'Number of worker threads. At most the number of shards.',
  },
  autoscale: {
    section: 'Job',
    kind: 'optional-text',
    placeholder: 'min..max',
    default: null,
    defaultText: 'none: the number of workers stays',
    description:
      'Moves the job to more workers while the most loaded one has no time left, and to fewer while they would do, within these numbers, as in 1..8.',
  },
  shardCount: {
    section: 'Job',
    kind: 'integer',
    unit: 'none',
    default: SHARD_COUNT,
    least: 1,
    most: 1024,
    powerOfTwo: true,
    description:
      'Number of shards of keyed state, and of partitions of the topics that Millrace creates. Fixed when the data folder is created.',
  },
  config: {
    section: 'Job',
    kind: 'optional-text',
    placeholder: 'path',
    default: null,
    defaultText: 'none',
    description: 'Path of a JSON file with settings. Flags and environment override it.',
  },

  dataDir: {
    section: 'Data',
    kind: 'text',
    placeholder: 'path',
    default: './data',
    description: 'Folder of topics, state and checkpoints. One process at a time; a local disk, not a network share.',
  },
  stateBackend: {
    section: 'Data',
    kind: 'choice',
    default: 'lmdb',
    choices: ['lmdb', 'heap'],
    description:
      'Where keyed state lives: lmdb may outgrow memory, heap is faster and must fit. With Kafka the default is heap.',
  },
  memtableBudgetBytes: {
    section: 'Data',
    kind: 'integer',
    unit: 'bytes',
    default: 64 * MIB,
    least: MIB,
    most: 64 * GIB,
    description: 'Memory that one worker thread may use for changed and cached state before it writes to lmdb early.',
  },

  checkpointIntervalMs: {
    section: 'Checkpoints',
    kind: 'integer',
    unit: 'ms',
    default: SECOND,
    least: 50,
    most: DAY,
    description: 'Time from the start of one checkpoint to the next. Shorter means less to replay after a crash.',
  },
  checkpointTimeoutMs: {
    section: 'Checkpoints',
    kind: 'integer',
    unit: 'ms',
    default: MINUTE,
    least: 100,
    most: DAY,
    description: 'A checkpoint that takes longer is aborted.',
  },
  checkpointMinPauseMs: {
    section: 'Checkpoints',
    kind: 'integer',
    unit: 'ms',
    default: 0,
    least: 0,
    most: DAY,
    description: 'Least time from the end of one checkpoint to the start of the next.',
  },
  checkpointFailuresMax: {
    section: 'Checkpoints',
    kind: 'integer',
    unit: 'none',
    default: 100,
    least: 0,
    most: 1_000_000,
    unlimited: true,
    description:
      'Failed checkpoints in a row that the job survives; one more fails the job. A full disk fails each of them.',
  },
  checkpointAgeMaxMs: {
    section: 'Checkpoints',
    kind: 'integer',
    unit: 'ms',
    default: 10 * MINUTE,
    least: SECOND,
    most: 36_500 * DAY,
    unlimited: true,
    description:
      'When no checkpoint has been completed for so long, /readyz says that the process is not ready. Never less than checkpointIntervalMs and checkpointTimeoutMs together.',
  },
  checkpointsRetained: {
    section: 'Checkpoints',
    kind: 'integer',
    unit: 'none',
    default: 2,
    least: 1,
    most: 1000,
    description: 'Completed checkpoints that are kept. A second one is what is left when the newest is damaged.',
  },
  fromSavepoint: {
    section: 'Checkpoints',
    kind: 'optional-text',
    placeholder: 'path',
    default: null,
    defaultText: 'none',
    description:
      'Folder, or s3:// address, of a savepoint to start from. A data folder that was restored from it before goes on from its newest checkpoint.',
  },
  allowNonRestoredState: {
    section: 'Checkpoints',
    kind: 'switch',
    default: false,
    description: 'Start although the checkpoint or savepoint holds state of operators that the job no longer has.',
  },
  savepointDir: {
    section: 'Checkpoints',
    kind: 'optional-text',
    placeholder: 'path',
    default: null,
    defaultText: 'the folder savepoints in the data folder',
    description: 'Where savepoints go that name no other place: a folder, or s3://bucket/prefix.',
  },
  checkpointStore: {
    section: 'Checkpoints',
    kind: 'optional-text',
    placeholder: 'place',
    default: null,
    defaultText: 'none',
    description:
      'Where completed checkpoints are copied to, in the background: a folder that outlives this machine, or s3://bucket/prefix with credentials in the environment. A data folder without checkpoints is restored from there.',
  },
  checkpointStoreIntervalMs: {
    section: 'Checkpoints',
    kind: 'integer',
    unit: 'ms',
    default: 10 * SECOND,
    least: 100,
    most: DAY,
    description: 'Least time between two checkpoints in the checkpoint store: what the loss of this machine costs.',
  },

  ...restartSettings,

  transport: {
    section: 'Topics',
    kind: 'choice',
    default: 'embedded',
    choices: ['embedded', 'kafka'],
    description: 'Where topics live: in a log in the data folder, or on Apache Kafka.',
  },
  segmentBytes: {
    section: 'Topics',
    kind: 'integer',
    unit: 'bytes',
    default: 16 * MIB,
    least: 64 * KIB,
    most: GIB,
    description:
      'Size at which the embedded log begins a new file. Retention drops whole files; a start after a crash reads one per topic.',
  },
  retentionMs: {
    section: 'Topics',
    kind: 'integer',
    unit: 'ms',
    default: DAY,
    least: SECOND,
    most: 36_500 * DAY,
    unlimited: true,
    description: 'Age at which records of request and response topics may be dropped.',
  },
  retentionBytes: {
    section: 'Topics',
    kind: 'integer',
    unit: 'bytes',
    default: GIB,
    least: MIB,
    most: 1024 * 1024 * GIB,
    unlimited: true,
    description: 'Size of a request or response topic from which old records are dropped.',
  },

  ...kafkaSettings,

  ...httpSettings,

  ringBytes: {
    section: 'Threads',
    kind: 'integer',
    unit: 'bytes',
    default: MIB,
    least: 64 * KIB,
    most: GIB,
    powerOfTwo: true,
    description: 'Memory of one ring: what a producer may be ahead of its consumer. There is one per channel.',
  },
  controlTimeoutMs: {
    section: 'Threads',
    kind: 'integer',
    unit: 'ms',
    default: 30 * SECOND,
    least: 100,
    most: HOUR,
    description: 'Time that a worker has to carry out a command; then it counts as lost.',
  },
  shutdownTimeoutMs: {
    section: 'Threads',
    kind: 'integer',
    unit: 'ms',
    default: 30 * SECOND,
    least: 100,
    most: HOUR,
    description:
      'Time to finish pending requests and write the last checkpoint on SIGTERM or SIGINT; then the process exits anyway.',
  },

  logLevel: {
    section: 'Logging',
    kind: 'choice',
    default: 'info',
    choices: ['error', 'warn', 'info', 'debug'],
    description: 'Least important level that is logged.',
  },
  logFormat: {
    section: 'Logging',
    kind: 'choice',
    default: 'text',
    choices: ['text', 'json'],
    description: 'Lines for people, or one JSON object per line for machines.',
  },
  logRequests: {
    section: 'Logging',
    kind: 'switch',
    default: false,
    description: 'Log each request at level debug.',
  },

  ...tracingSettings,
} as const satisfies SettingTable;

/** The checked settings of one process. */
export type Config = { readonly [Key in keyof typeof settings]: SettingValue<(typeof settings)[Key]> };
