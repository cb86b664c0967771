import type { MapStateDescriptor, StateDescriptor } from '../../dist/api/keyed-state.js';
import { aggregatingState, listState, mapState, reducingState, valueState } from '../../dist/api/keyed-state.js';
import type { AggregateFunction, ReduceFunction, StateTtlConfig } from '../../dist/api/keyed-state.js';
import type { KeyedStateStore } from '../../dist/api/keyed-state-store.js';
import { OutputTag } from '../../dist/api/process-function.js';
import type { Json, JsonObject } from './case-format.js';
import type { BroadcastReader, MapReader } from './expressions.js';
import type { ProgramHost, StateHandle, TimerHandle } from './program.js';

/** Where the parts of a running case report what no output channel carries. */
export interface Trace {
  event(name: string, detail?: string): void;
}

const tags = new Map<string, OutputTag<unknown>>();

export function tagOf(id: string): OutputTag<unknown> {
  const known = tags.get(id) ?? new OutputTag<unknown>(id);
  tags.set(id, known);
  return known;
}

export function fieldOf(value: unknown, field: string): unknown {
  if (value === null || typeof value !== 'object') return null;
  return (value as Record<string, unknown>)[field] ?? null;
}

/** A named reduce of two values, or of one field of both: the other fields are those of the first. */
export function reduceFunction(name: string, field: string | null): ReduceFunction<unknown> {
  const combine = (a: unknown, b: unknown): unknown => {
    switch (name) {
      case 'sum':
        return (a as number) + (b as number);
      case 'min':
        return (b as number) < (a as number) ? b : a;
      case 'max':
        return (b as number) > (a as number) ? b : a;
      case 'first':
        return a;
      case 'last':
        return b;
      default:
        throw new Error(`the reduce "${name}" is not known`);
    }
  };
  if (field === null) return combine;
  return (a, b) => ({ ...(a as object), [field]: combine(fieldOf(a, field), fieldOf(b, field)) });
}

interface Sum {
  readonly sum: number;
  readonly count: number;
}

/** A named aggregate over the values, or over one field of them. */
export function aggregateFunction(name: string, field: string | null): AggregateFunction<unknown, unknown, unknown> {
  const pick = (value: unknown): unknown => (field === null ? value : fieldOf(value, field));
  switch (name) {
    case 'sum':
      return foldAggregate(0, pick, (a, b) => (a as number) + (b as number));
    case 'count':
      return foldAggregate(
        0,
        () => 1,
        (a, b) => (a as number) + (b as number),
      );
    case 'min':
      return foldAggregate(null, pick, (a, b) => (a === null || (b !== null && (b as number) < (a as number)) ? b : a));
    case 'max':
      return foldAggregate(null, pick, (a, b) => (a === null || (b !== null && (b as number) > (a as number)) ? b : a));
    case 'collect':
      return {
        createAccumulator: () => [],
        add: (value, accumulator) => [...(accumulator as unknown[]), pick(value)],
        getResult: (accumulator) => accumulator,
        merge: (a, b) => [...(a as unknown[]), ...(b as unknown[])],
      };
    case 'avg':
      return {
        createAccumulator: (): Sum => ({ sum: 0, count: 0 }),
        add: (value, accumulator): Sum => {
          const { sum, count } = accumulator as Sum;
          return { sum: sum + (pick(value) as number), count: count + 1 };
        },
        getResult: (accumulator) => (accumulator as Sum).sum / (accumulator as Sum).count,
        merge: (a, b): Sum => ({ sum: (a as Sum).sum + (b as Sum).sum, count: (a as Sum).count + (b as Sum).count }),
      };
    default:
      throw new Error(`the aggregate "${name}" is not known`);
  }
}

function foldAggregate(
  initial: unknown,
  pick: (value: unknown) => unknown,
  combine: (a: unknown, b: unknown) => unknown,
): AggregateFunction<unknown, unknown, unknown> {
  return {
    createAccumulator: () => initial,
    add: (value, accumulator) => combine(accumulator, pick(value)),
    getResult: (accumulator) => accumulator,
    merge: combine,
    isCommutative: true,
  };
}

/** The descriptors of an operator's `states`, with their scope. */
export function stateDescriptors(
  states: Json | undefined,
): Map<string, { descriptor: StateDescriptor; scope: string }> {
  const descriptors = new Map<string, { descriptor: StateDescriptor; scope: string }>();
  for (const [name, config] of Object.entries((states ?? {}) as Record<string, JsonObject>)) {
    descriptors.set(name, { descriptor: descriptorOf(name, config), scope: (config['scope'] as string) ?? 'global' });
  }
  return descriptors;
}

function descriptorOf(name: string, config: JsonObject): StateDescriptor {
  const ttl = config['ttl'] as { ms: number; updateType?: string; visibility?: string } | undefined;
  const options =
    ttl === undefined
      ? {}
      : {
          ttl: {
            ttlMs: ttl.ms,
            ...(ttl.updateType === undefined ? {} : { updateType: ttl.updateType }),
            ...(ttl.visibility === undefined ? {} : { visibility: ttl.visibility }),
          } as StateTtlConfig,
        };
  const field = (config['field'] as string | undefined) ?? null;
  switch (config['kind']) {
    case 'value':
      return valueState<unknown>(name, options);
    case 'list':
      return listState<unknown>(name, options);
    case 'map':
      return mapState<unknown, unknown>(name, options);
    case 'reducing':
      return reducingState<unknown>(name, reduceFunction(config['reduce'] as string, field), options);
    case 'aggregating':
      return aggregatingState(name, aggregateFunction(config['agg'] as string, field), options);
    default:
      throw new Error(`the state kind ${JSON.stringify(config['kind'])} is not known`);
  }
}

/** Asks a store for the state of a descriptor of any kind. */
export function openState(store: KeyedStateStore, descriptor: StateDescriptor): StateHandle {
  switch (descriptor.kind) {
    case 'value':
      return store.getState(descriptor);
    case 'list':
      return store.getListState(descriptor);
    case 'map':
      return store.getMapState(descriptor);
    case 'reducing':
      return store.getReducingState(descriptor);
    case 'aggregating':
      return store.getAggregatingState(descriptor);
  }
}

/** Reads a state of any kind but map. */
export function readStateHandle(state: StateHandle): unknown {
  const reader = state as Partial<{ value(): unknown; get(): unknown }>;
  return reader.value === undefined ? reader.get?.() : reader.value();
}

/** What a place of a case allows; everything else throws. */
export interface HostParts {
  readonly emit?: (value: unknown) => void;
  readonly side?: (tag: string, value: unknown) => void;
  readonly state?: (name: string) => StateHandle;
  readonly mergeState?: (name: string) => void;
  readonly timers?: TimerHandle;
  readonly broadcast?: (name: string) => BroadcastReader;
  readonly forEachKey?: (name: string, visit: (key: unknown) => void) => void;
}

export function programHost(parts: HostParts): ProgramHost {
  const need = <T>(part: T | undefined, what: string): T => {
    if (part === undefined) throw new Error(`${what} is not allowed here`);
    return part;
  };
  const state = (name: string): StateHandle => need(parts.state, 'state')(name);
  return {
    emit: (value) => need(parts.emit, 'emit')(value),
    side: (tag, value) => need(parts.side, 'a side output')(tag, value),
    state,
    readState: (name) => readStateHandle(state(name)),
    readMap: (name) => state(name) as unknown as MapReader,
    mergeState: (name) => need(parts.mergeState, 'mergeState')(name),
    timers: () => need(parts.timers, 'a timer'),
    readBroadcast: (name) => need(parts.broadcast, 'broadcast state')(name),
    broadcastPut: (name, key, value) => {
      (need(parts.broadcast, 'broadcast state')(name) as unknown as { put(k: unknown, v: unknown): void }).put(
        key,
        value,
      );
    },
    broadcastRemove: (name, key) => {
      (need(parts.broadcast, 'broadcast state')(name) as unknown as { remove(k: unknown): void }).remove(key);
    },
    forEachKey: (name, visit) => need(parts.forEachKey, 'forEachKey')(name, visit),
  };
}

export function broadcastDescriptors(names: Json | undefined): MapStateDescriptor<unknown, unknown>[] {
  return ((names ?? []) as readonly string[]).map((name) => mapState<unknown, unknown>(name));
}
