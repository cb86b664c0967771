import type { WindowSpec } from '../api/internal/event-time-specs.js';
import type { OperatorSpec } from '../api/internal/operator-spec.js';
import { EventTimeTrigger } from '../api/triggers.js';
import { EventTimeSessionWindows, SlidingEventTimeWindows, TumblingEventTimeWindows } from '../api/window-assigners.js';
import { MillraceError } from '../base/errors.js';
import { unreachable } from '../base/invariant.js';
import { AssignTimestampsOperator } from './assign-timestamps-operator.js';
import { AsyncWaitOperator } from './async-wait-operator.js';
import { CoFlatMapOperator, CoMapOperator, CoProcessOperator } from './co-process-operator.js';
import { FilterOperator } from './filter-operator.js';
import { FlatMapOperator } from './flat-map-operator.js';
import { GatherOperator } from './gather-operator.js';
import { IntervalJoinOperator } from './interval-join-operator.js';
import { KeyedBroadcastOperator } from './keyed-broadcast-operator.js';
import { KeyedCoProcessOperator } from './keyed-co-process-operator.js';
import { KeyedProcessOperator } from './keyed-process-operator.js';
import { MapOperator } from './map-operator.js';
import type { StreamOperator, TwoInputStreamOperator } from './operator.js';
import { ProcessOperator } from './process-operator.js';
import { ReduceOperator } from './reduce-operator.js';
import { PrintOperator, SinkOperator } from './sink-operator.js';
import { EvictingWindowOperator } from './windows/evicting-window-operator.js';
import { SessionWindowOperator } from './windows/session-window-operator.js';
import { SlicedWindowOperator } from './windows/sliced-window-operator.js';
import { TumblingWindowOperator } from './windows/tumbling-window-operator.js';
import { WindowOperator } from './windows/window-operator.js';

/** What an operator needs of its host beside its context. */
export interface OperatorHost {
  /** Where `print()` writes: a line with its line end. */
  writeLine(line: string): void;
}

/**
 * Makes the operator that a spec describes, not opened yet. One call per subtask.
 *
 * The author's function objects are those of the spec: subtasks of one thread that share a spec share them too. Topic,
 * repartition and respond sinks are record writers of the worker and not made here.
 */
export function createOperator(
  spec: OperatorSpec,
  host: OperatorHost,
): StreamOperator<unknown, unknown> | TwoInputStreamOperator<unknown, unknown, unknown> {
  switch (spec.kind) {
    case 'map':
      return new MapOperator(spec.fn);
    case 'filter':
      return new FilterOperator(spec.fn);
    case 'flat-map':
      return new FlatMapOperator(spec.fn);
    case 'process':
      return new ProcessOperator(spec.fn);
    case 'keyed-process':
      return new KeyedProcessOperator(spec.fn, spec.key);
    case 'reduce':
      return new ReduceOperator(spec.reduce, spec.key);
    case 'window':
      return createWindowOperator(spec);
    case 'assign-timestamps':
      return new AssignTimestampsOperator(spec.strategy, spec.intervalMs);
    case 'async-wait':
      return new AsyncWaitOperator(spec.fn, spec.mode, spec.options);
    case 'co-map':
      return new CoMapOperator(spec.fn);
    case 'co-flat-map':
      return new CoFlatMapOperator(spec.fn);
    case 'co-process':
      return new CoProcessOperator(spec.fn);
    case 'keyed-co-process':
      return new KeyedCoProcessOperator(spec.fn, spec.key, spec.key2);
    case 'keyed-broadcast':
      return new KeyedBroadcastOperator(spec);
    case 'interval-join':
      return new IntervalJoinOperator({ ...spec, leftKey: spec.key, rightKey: spec.key2 });
    case 'gather':
      return new GatherOperator(spec);
    case 'function-sink':
      return new SinkOperator(spec.fn);
    case 'print-sink':
      return new PrintOperator(spec.label, (line) => host.writeLine(line));
    case 'topic-sink':
    case 'repartition-sink':
    case 'respond-sink':
      throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'this sink is a record writer, not an operator', {
        details: { kind: spec.kind },
      });
    default:
      return unreachable(spec, 'an operator spec');
  }
}

/** The general operator, or one that gives the same results at less cost where the windows' shape allows it. */
function createWindowOperator(spec: WindowSpec): StreamOperator<unknown, unknown> {
  const { evictor, ...options } = spec;
  if (evictor !== null) return new EvictingWindowOperator(options, evictor);
  const { assigner, trigger, allowedLatenessMs, aggregation } = options;
  const firesOnceAtItsEnd = trigger.constructor === EventTimeTrigger && allowedLatenessMs === 0;
  if (!firesOnceAtItsEnd || aggregation === null) return new WindowOperator(options);
  if (assigner instanceof EventTimeSessionWindows) {
    return new SessionWindowOperator({ ...options, assigner, aggregation });
  }
  if (assigner.constructor === TumblingEventTimeWindows) {
    return new TumblingWindowOperator({ ...options, assigner, aggregation });
  }
  const canShareSlices =
    assigner instanceof SlidingEventTimeWindows &&
    aggregation.kind === 'aggregate' &&
    aggregation.aggregate.isCommutative === true;
  if (canShareSlices) return new SlicedWindowOperator({ ...options, assigner, aggregate: aggregation.aggregate });
  return new WindowOperator(options);
}
