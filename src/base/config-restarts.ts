import type { SettingTable } from './setting.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The part of the table (config-table.ts) that says what follows when a job fails. */
export const restartSettings = {
  restartStrategy: {
    section: 'Restarts',
    kind: 'choice',
    default: 'exponential-delay',
    choices: ['none', 'fixed-delay', 'exponential-delay', 'failure-rate'],
    description:
      'What follows when the job fails: it ends, or goes on from its newest checkpoint while requests wait. Failures that only a person can mend end it in any case.',
  },
  recordFailuresMax: {
    section: 'Restarts',
    kind: 'integer',
    unit: 'none',
    default: 3,
    least: 1,
    most: 1_000_000,
    unlimited: true,
    description:
      "Failures in a row after which a record is given up, those before a restart of the process among them: a job with onError 'retry' goes on without it, any other ends.",
  },
  restartAttempts: {
    section: 'Restarts',
    kind: 'integer',
    unit: 'none',
    default: 1,
    least: 0,
    most: 1_000_000,
    unlimited: true,
    description: 'fixed-delay: restarts that are tried; one more failure ends the job.',
  },
  restartDelayMs: {
    section: 'Restarts',
    kind: 'integer',
    unit: 'ms',
    default: SECOND,
    least: 0,
    most: DAY,
    description: 'fixed-delay and failure-rate: time from a failure to the restart.',
  },
  restartFailuresMax: {
    section: 'Restarts',
    kind: 'integer',
    unit: 'none',
    default: 1,
    least: 1,
    most: 10_000,
    description: 'failure-rate: failures within restartFailureIntervalMs that the job survives; one more ends it.',
  },
  restartFailureIntervalMs: {
    section: 'Restarts',
    kind: 'integer',
    unit: 'ms',
    default: MINUTE,
    least: SECOND,
    most: 7 * DAY,
    description: 'failure-rate: the time in which failures are counted.',
  },
  restartBackoffInitialMs: {
    section: 'Restarts',
    kind: 'integer',
    unit: 'ms',
    default: 50,
    least: 1,
    most: DAY,
    description: 'exponential-delay: time from the first failure to the restart.',
  },
  restartBackoffMaxMs: {
    section: 'Restarts',
    kind: 'integer',
    unit: 'ms',
    default: MINUTE,
    least: 1,
    most: DAY,
    description: 'exponential-delay: the longest delay.',
  },
  restartBackoffGrowthPercent: {
    section: 'Restarts',
    kind: 'integer',
    unit: 'none',
    default: 50,
    least: 0,
    most: 1000,
    description: 'exponential-delay: by how many hundredths each delay is longer than the one before.',
  },
  restartBackoffJitterPercent: {
    section: 'Restarts',
    kind: 'integer',
    unit: 'none',
    default: 10,
    least: 0,
    most: 100,
    description: 'exponential-delay: a delay is longer or shorter by up to so many hundredths, by chance.',
  },
  restartBackoffResetMs: {
    section: 'Restarts',
    kind: 'integer',
    unit: 'ms',
    default: HOUR,
    least: SECOND,
    most: 7 * DAY,
    description: 'exponential-delay: after so long without a failure, delays begin at restartBackoffInitialMs again.',
  },
  restartBackoffAttempts: {
    section: 'Restarts',
    kind: 'integer',
    unit: 'none',
    default: Infinity,
    least: 1,
    most: 1_000_000,
    unlimited: true,
    description: 'exponential-delay: restarts without restartBackoffResetMs in between; one more failure ends the job.',
  },
  supervise: {
    section: 'Restarts',
    kind: 'switch',
    default: false,
    description:
      'Run the job in a child process, which is started again when it is aborted: out of memory, by a fault in native code, by the system. Signals and exit codes are passed on.',
  },
} as const satisfies SettingTable;
