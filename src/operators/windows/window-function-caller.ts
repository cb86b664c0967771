import type { Collector } from '../../api/functions.js';
import { ProcessAllWindowFunction } from '../../api/window-function.js';
import type { ProcessWindowContext, ProcessWindowFunction } from '../../api/window-function.js';
import type { Window } from '../../api/windows.js';

/** An author's window function, with a key or without; `null` passes the elements on as they are. */
export type AnyWindowFunction<In, Out, W extends Window> =
  ProcessWindowFunction<In, Out, unknown, W> | ProcessAllWindowFunction<In, Out, W> | null;

/** Calls a window function of either form. */
export interface WindowFunctionCaller<W extends Window, Out> {
  process(key: unknown, context: ProcessWindowContext<W>, elements: readonly unknown[], out: Collector<Out>): void;
  clear(context: ProcessWindowContext<W>): void;
}

export function windowFunctionCaller<W extends Window, Out>(
  fn: AnyWindowFunction<unknown, Out, W>,
): WindowFunctionCaller<W, Out> {
  if (fn === null) {
    return {
      process: (_key, _context, elements, out) => {
        for (const element of elements) out.collect(element as Out);
      },
      clear: () => undefined,
    };
  }
  if (fn instanceof ProcessAllWindowFunction) {
    return {
      process: (_key, context, elements, out) => fn.process(context, elements, out),
      clear: (context) => fn.clear?.(context),
    };
  }
  return {
    process: (key, context, elements, out) => fn.process(key, context, elements, out),
    clear: (context) => fn.clear?.(context),
  };
}
