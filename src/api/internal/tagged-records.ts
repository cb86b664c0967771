import type { Evictor, TimestampedValue } from '../evictors.js';
import type { Trigger } from '../trigger.js';
import type { WindowAssigner } from '../window-assigner.js';
import type { Window } from '../windows.js';

/**
 * Records of two streams in one window: each says which stream it is of. What an author writes for such windows sees the records
 * themselves.
 *
 * Each is given an object whose prototype is the author's: it keeps its class, by whose name a restored job is compared.
 */

/** A record of one of two streams that a window holds together. */
export interface TaggedRecord {
  readonly side: 1 | 2;
  readonly value: unknown;
}

/** The assigner of the records themselves, for records that are tagged. */
export function untaggedAssigner<W extends Window>(assigner: WindowAssigner<unknown, W>): WindowAssigner<unknown, W> {
  return standIn(assigner, {
    assignWindows: (record, timestamp, context) => assigner.assignWindows(valueOf(record), timestamp, context),
    defaultTrigger: () => assigner.defaultTrigger(),
  });
}

/** The trigger of the records themselves, for records that are tagged. */
export function untaggedTrigger(trigger: Trigger<unknown>): Trigger<unknown> {
  return standIn(trigger, {
    onElement: (record, timestamp, window, context) => trigger.onElement(valueOf(record), timestamp, window, context),
    onEventTime: (timestamp, window, context) => trigger.onEventTime(timestamp, window, context),
    onProcessingTime: (timestamp, window, context) => trigger.onProcessingTime(timestamp, window, context),
    clear: (window, context) => trigger.clear(window, context),
    canMerge: () => trigger.canMerge(),
    onMerge: (window, context) => trigger.onMerge?.(window, context),
  });
}

/** The evictor of the records themselves, for records that are tagged. */
export function untaggedEvictor(evictor: Evictor<unknown>): Evictor<unknown> {
  return standIn(evictor, {
    evictBefore: (elements, window, context) =>
      evictUntagged(elements, (untagged) => evictor.evictBefore(untagged, window, context)),
    evictAfter: (elements, window, context) =>
      evictUntagged(elements, (untagged) => evictor.evictAfter(untagged, window, context)),
  });
}

function evictUntagged(
  elements: readonly TimestampedValue<unknown>[],
  evict: (untagged: readonly TimestampedValue<unknown>[]) => readonly TimestampedValue<unknown>[],
): readonly TimestampedValue<unknown>[] {
  const untagged = elements.map(({ value, timestamp }) => ({ value: valueOf(value), timestamp }));
  const kept = new Set(evict(untagged));
  return elements.filter((_, index) => kept.has(untagged[index] as TimestampedValue<unknown>));
}

function valueOf(record: unknown): unknown {
  return (record as TaggedRecord).value;
}

function standIn<T extends object>(original: T, methods: Partial<T>): T {
  return Object.assign(Object.create(original) as T, methods);
}
