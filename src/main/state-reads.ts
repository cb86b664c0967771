/**
 * Reads of keyed state from outside: finds out which worker, or which other instance, owns the key, and asks it.
 *
 * Thread: main.
 */
import { keyGroupOf } from '../api/internal/key-bytes.js';
import { shardOfKeyGroup, subtaskOfShard } from '../api/internal/key-groups.js';
import type { ExecutionPlan, PlanVertex } from '../graph/execution-plan.js';
import type { StateAnswer, StateQuery } from '../protocol/inspection.js';
import type { TopicPosition } from '../base/topic-position.js';
import type { PassageOutcome } from './record-passage.js';

/** Whose state is to be read. */
export interface StateReadRequest {
  /** The operator's uid. */
  readonly uid: string;
  readonly state: string;
  /**
   * As it stands in a URL. A key is taken as the text that it is; where the job has no such key and the text is JSON (a
   * number, a boolean, an array, an object), as that value.
   */
  readonly key: string;
  /** The record that the operator must have seen before its state is read; `null` to read it as it stands. */
  readonly after: TopicPosition | null;
  /** How long that may be waited for. */
  readonly timeoutMs: number;
}

/** `known` names the operators that keep state. */
export interface UnknownOperator {
  readonly kind: 'unknown-operator';
  readonly known: readonly string[];
}

export type StateNames = { readonly kind: 'names'; readonly names: readonly string[] } | UnknownOperator;

export type StateReading =
  | StateAnswer
  | UnknownOperator
  /** Nothing of the topic partition of `after` comes to the operator. */
  | { readonly kind: 'foreign-position' }
  /** The record of `after` has not come to the operator in time. */
  | { readonly kind: 'too-late' }
  /** Other instances own the key: the addresses of the job there. Empty while nobody is known to. */
  | { readonly kind: 'elsewhere'; readonly owners: readonly string[] };

/** The running attempt, and the instances beside this one. */
export interface StateOwners {
  readonly plan: ExecutionPlan;
  /** Asks a worker. */
  readonly ask: (worker: number, query: StateQuery) => Promise<StateAnswer>;
  /** Waits until what came of a record has come through the vertex. */
  readonly passed: (position: TopicPosition, vertex: number) => Promise<PassageOutcome>;
  /** The address of the job in the instance that runs a shard; `null` when none is known to. */
  readonly addressOf: (shard: number) => string | null;
}

/** Reads the state of a key where it is owned. What the owner has not processed yet is not in it, unless it was waited for. */
export async function readKeyedState(request: StateReadRequest, owners: StateOwners): Promise<StateReading> {
  const { uid, state, key, after } = request;
  const { plan, ask, passed, addressOf } = owners;
  const operator = keyedOperator(plan, uid);
  if ('kind' in operator) return operator;
  const { vertex, stateNamespace } = operator;
  const candidates = candidatesOf(key).map((value) => ({
    value,
    shard: shardOfKeyGroup(keyGroupOf(value), plan.shardCount),
  }));
  const isHere = (shard: number): boolean => plan.ownedShards?.includes(shard) ?? true;
  const here = candidates.filter(({ shard }) => isHere(shard));
  const elsewhere = candidates.filter(({ shard }) => !isHere(shard));
  let reading: StateReading = { kind: 'no-value' };
  if (here.length > 0) {
    const outcome = after === null ? 'passed' : await passed(after, vertex.index);
    if (outcome !== 'passed') reading = { kind: outcome };
    for (const { value, shard } of outcome === 'passed' ? here : []) {
      const subtask = subtaskOfShard(shard, vertex.parallelism);
      reading = await ask(subtask % plan.workerCount, { operatorId: uid, stateNamespace, subtask, state, key: value });
      if (reading.kind !== 'no-value') break;
    }
  }
  if (elsewhere.length === 0 || reading.kind === 'value' || reading.kind === 'too-late') return reading;
  const addresses = new Set(elsewhere.flatMap(({ shard }) => addressOf(shard) ?? []));
  return here.length > 0 && addresses.size === 0 ? reading : { kind: 'elsewhere', owners: [...addresses] };
}

/** What an operator's states are called: those that its subtasks in this instance have asked for. */
export async function namesOfStates(
  uid: string,
  { plan, ask }: Pick<StateOwners, 'plan' | 'ask'>,
): Promise<StateNames> {
  const operator = keyedOperator(plan, uid);
  if ('kind' in operator) return operator;
  const { vertex, stateNamespace } = operator;
  const names = new Set<string>();
  for (let subtask = 0; subtask < vertex.parallelism; subtask++) {
    // No state has this name.
    const query = { operatorId: uid, stateNamespace, subtask, state: '', key: '' };
    const answer = await ask(subtask % plan.workerCount, query);
    if (answer.kind === 'unknown-state') for (const name of answer.known) names.add(name);
  }
  return { kind: 'names', names: [...names].toSorted() };
}

interface KeyedOperator {
  readonly vertex: PlanVertex;
  readonly stateNamespace: string;
}

function keyedOperator(plan: ExecutionPlan, uid: string): KeyedOperator | UnknownOperator {
  const keyed = plan.vertices.flatMap((vertex) =>
    vertex.operators.flatMap(({ id, stateNamespace }) =>
      stateNamespace === null ? [] : [{ id, stateNamespace, vertex }],
    ),
  );
  return keyed.find(({ id }) => id === uid) ?? { kind: 'unknown-operator', known: keyed.map(({ id }) => id) };
}

function candidatesOf(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' || value === null ? [text] : [text, value];
  } catch {
    return [text];
  }
}
