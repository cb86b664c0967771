/** Patterns in streams: what `millrace/cep` exports. */
export { AfterMatchSkipStrategy } from './after-match-skip-strategy.js';
export type { Condition, ConditionContext } from './condition.js';
export { Pattern, type Match, type Part, type PatternBeginning, type WithinType } from './pattern.js';
export {
  PatternProcessFunction,
  type PatternContext,
  type PatternFlatSelectFunction,
  type PatternFlatTimeoutFunction,
  type PatternSelectFunction,
  type PatternTimeoutFunction,
  type TimedOutPartialMatchHandler,
} from './pattern-functions.js';
export { CEP, PatternStream } from './pattern-stream.js';
