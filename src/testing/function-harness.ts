import type { KeyedBroadcastProcessFunction } from '../api/broadcast-functions.js';
import { CoProcessFunction, KeyedCoProcessFunction } from '../api/co-functions.js';
import type { KeySelector } from '../api/functions.js';
import type { MapStateDescriptor } from '../api/keyed-state.js';
import { KeyedProcessFunction, ProcessFunction } from '../api/process-function.js';
import { MillraceError } from '../base/errors.js';
import { CoProcessOperator } from '../operators/co-process-operator.js';
import { KeyedBroadcastOperator } from '../operators/keyed-broadcast-operator.js';
import { KeyedCoProcessOperator } from '../operators/keyed-co-process-operator.js';
import { KeyedProcessOperator } from '../operators/keyed-process-operator.js';
import { ProcessOperator } from '../operators/process-operator.js';
import type { AnyOperator } from './harness-subtask.js';
import { OperatorHarness } from './operator-harness.js';
import type { HarnessInput, HarnessOptions } from './operator-harness.js';

/** A function that a harness can run. @public */
export type HarnessFunction<Out> =
  | ProcessFunction<never, Out>
  | KeyedProcessFunction<never, never, Out>
  | CoProcessFunction<never, never, Out>
  | KeyedCoProcessFunction<never, never, never, Out>
  | KeyedBroadcastProcessFunction<never, never, never, Out>;

/** How a function is keyed, and what is broadcast to it. @public */
export interface FunctionHarnessOptions<Out> extends Omit<HarnessOptions<Out>, 'inputs'> {
  /** Keys of the inputs, for functions on keyed streams. */
  readonly keys?: readonly KeySelector<never, unknown>[];
  /** Broadcast states of a `KeyedBroadcastProcessFunction`. */
  readonly broadcastStates?: readonly MapStateDescriptor<unknown, unknown>[];
}

/**
 * A harness around an author's function, opened.
 *
 * @param createFunction called once per subtask, and again at each restore.
 *
 * @example
 * const harness = functionHarness(() => new CountFunction(), { keys: [(click: Click) => click.user] });
 * harness.processElement({ user: 'ada' }, 5);
 * harness.takeValues();
 *
 * @public
 */
export function functionHarness<Out>(
  createFunction: () => HarnessFunction<Out>,
  options: FunctionHarnessOptions<Out> = {},
): OperatorHarness<Out> {
  const keys = (options.keys ?? []) as readonly KeySelector<unknown, unknown>[];
  const probe = createFunction();
  const harness = new OperatorHarness<Out>(() => operatorOf(createFunction(), keys, options.broadcastStates ?? []), {
    ...options,
    inputs: inputsOf(probe, keys),
  });
  harness.open();
  return harness;
}

function inputsOf(fn: HarnessFunction<never>, keys: readonly KeySelector<unknown, unknown>[]): HarnessInput[] {
  const [key1, key2] = keys as readonly KeySelector<never, unknown>[];
  if (fn instanceof ProcessFunction) return [{}];
  if (fn instanceof CoProcessFunction) return [{}, {}];
  if (fn instanceof KeyedProcessFunction) return [{ key: required(key1) }];
  if (fn instanceof KeyedCoProcessFunction) return [{ key: required(key1) }, { key: required(key2) }];
  return [{ key: required(key1) }, { broadcast: true }];
}

function operatorOf<Out>(
  fn: HarnessFunction<Out>,
  keys: readonly KeySelector<unknown, unknown>[],
  states: readonly MapStateDescriptor<unknown, unknown>[],
): AnyOperator<Out> {
  const [key1, key2] = keys as unknown as readonly KeySelector<never, never>[];
  if (fn instanceof ProcessFunction) return new ProcessOperator(fn);
  if (fn instanceof CoProcessFunction) return new CoProcessOperator(fn);
  if (fn instanceof KeyedProcessFunction) return new KeyedProcessOperator(fn, required(key1));
  if (fn instanceof KeyedCoProcessFunction) return new KeyedCoProcessOperator(fn, required(key1), required(key2));
  return new KeyedBroadcastOperator({ fn, key: required(key1), states });
}

function required<T>(key: T | undefined): T {
  if (key !== undefined) return key;
  throw new MillraceError('MILLRACE_JOB_INVALID', 'a function on a keyed stream is tested without a key', {
    hint: 'Give the harness `keys`, one selector per keyed input.',
  });
}
