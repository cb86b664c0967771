/**
 * Compiles `text` as the body of a function of `parameters`, or gives `null` in a process that forbids code from strings. Names of
 * fields get into such text only as JSON, which is a literal of JavaScript.
 */
export function compile(parameters: readonly string[], text: string): unknown {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- call sites of its own are the point: decision 0232
    return new Function(...parameters, `'use strict'; ${text}`);
  } catch (error) {
    if (error instanceof EvalError) return null;
    throw error;
  }
}
