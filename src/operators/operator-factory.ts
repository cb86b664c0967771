import type { OperatorSpec } from '../api/internal/operator-spec.js';
import { MillraceError } from '../base/errors.js';
import { unreachable } from '../base/invariant.js';
import { FilterOperator } from './filter-operator.js';
import { FlatMapOperator } from './flat-map-operator.js';
import { KeyedProcessOperator } from './keyed-process-operator.js';
import { MapOperator } from './map-operator.js';
import type { StreamOperator } from './operator.js';
import { ProcessOperator } from './process-operator.js';
import { ReduceOperator } from './reduce-operator.js';
import { PrintOperator, SinkOperator } from './sink-operator.js';

/** What an operator needs of its host beside its context. */
export interface OperatorHost {
  /** Where `print()` writes: a line with its line end. */
  writeLine(line: string): void;
}

/**
 * Makes the operator that a spec describes, not opened yet. One call per subtask.
 *
 * The author's function objects are those of the spec: subtasks of one thread that share a spec share them too. Topic and
 * respond sinks are record writers of the worker and not made here.
 */
export function createOperator(spec: OperatorSpec, host: OperatorHost): StreamOperator<unknown, unknown> {
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
    case 'function-sink':
      return new SinkOperator(spec.fn);
    case 'print-sink':
      return new PrintOperator(spec.label, (line) => host.writeLine(line));
    case 'topic-sink':
    case 'respond-sink':
      throw new MillraceError('MILLRACE_INVARIANT_VIOLATED', 'this sink is a record writer, not an operator', {
        details: { kind: spec.kind },
      });
    default:
      return unreachable(spec, 'an operator spec');
  }
}
