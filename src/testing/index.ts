/** Tests of functions and operators in one thread: what `millrace/testing` gives. No threads, no files. */
export type { HistogramValues as HistogramMetricValues, MetricValue } from '../api/internal/measurements.js';
export type { OperatorCounters, WatermarkStatus } from '../operators/operator.js';
export { ManualClock } from './manual-clock.js';
export type { HarnessElement } from './harness-output.js';
export type { HarnessResponse } from './harness-subtask.js';
export {
  OperatorHarness,
  type HarnessInput,
  type HarnessOptions,
  type HarnessPlace,
  type HarnessSnapshot,
} from './operator-harness.js';
export { functionHarness, type FunctionHarnessOptions, type HarnessFunction } from './function-harness.js';
export {
  JobDriver,
  type JobDriverOptions,
  type JobSnapshot,
  type RestoreOptions,
  type SendOptions,
} from './job-driver.js';
export type { ChaosAnswer, ChaosChecker, ChaosOperation, CreateChaosChecker } from './chaos-checker.js';
export type { CollectedRecord } from './topic-collector.js';
export { type Prng, SeededPrng } from '../base/prng.js';
