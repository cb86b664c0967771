/**
 * Conditions: what an event must be to be taken for a part of a pattern. Plain functions; those that look at what was taken
 * before, Flink's iterative conditions, use the context.
 */

/** Events by part name, as types. */
export type PartTypes<T> = Readonly<Record<string, T>>;

/** What a condition may ask. Valid only during the call. @public */
export interface ConditionContext<Parts> {
  /**
   * What the partial match that is being extended has taken for a part so far, the oldest first. Walks back through the
   * match at the first call for an event: ask only when the event itself leaves the question open.
   */
  getEventsForPattern<Name extends keyof Parts>(name: Name): readonly Parts[Name][];
  /** The event's timestamp; in processing time, the time at which it is processed. Milliseconds. */
  timestamp(): number;
  /** The clock, in milliseconds since the epoch. */
  currentProcessingTime(): number;
}

/** Whether an event fits. Must depend on its arguments alone, since it is asked once for each partial match. @public */
export type Condition<Event, Parts> = (event: Event, context: ConditionContext<Parts>) => boolean;

/** A condition without types, as the automaton asks it; `null` holds always. */
export type Guard = ((event: unknown, context: ConditionContext<PartTypes<unknown>>) => boolean) | null;

/** Holds when both do. Asks the second only if the first holds. */
export function both(a: Guard, b: Guard): Guard {
  if (a === null) return b;
  if (b === null) return a;
  return (event, context) => a(event, context) && b(event, context);
}

/** Holds when one does. */
export function either(a: Guard, b: Guard): Guard {
  if (a === null || b === null) return null;
  return (event, context) => a(event, context) || b(event, context);
}

/** Holds when the other does not. */
export function not(guard: Guard): Guard {
  if (guard === null) return () => false;
  return (event, context) => !guard(event, context);
}
