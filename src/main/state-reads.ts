/**
 * Reads of keyed state from outside: finds out which worker owns the key, and asks it.
 *
 * Thread: main.
 */
import { keyGroupOf } from '../api/internal/key-bytes.js';
import { shardOfKeyGroup, subtaskOfShard } from '../api/internal/key-groups.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { StateAnswer, StateQuery } from '../protocol/inspection.js';

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
}

export type StateReading =
  | StateAnswer
  /** `known` names the operators that keep state. */
  | { readonly kind: 'unknown-operator'; readonly known: readonly string[] };

/** Asks a worker. */
export type AskForState = (worker: number, query: StateQuery) => Promise<StateAnswer>;

/** Reads the state of a key where it is owned. What the owner has not processed yet is not in it. */
export async function readKeyedState(
  plan: ExecutionPlan,
  { uid, state, key }: StateReadRequest,
  ask: AskForState,
): Promise<StateReading> {
  const keyed = plan.vertices.flatMap((vertex) =>
    vertex.operators.flatMap(({ id, stateNamespace }) =>
      stateNamespace === null ? [] : [{ id, stateNamespace, vertex }],
    ),
  );
  const operator = keyed.find(({ id }) => id === uid);
  if (operator === undefined) return { kind: 'unknown-operator', known: keyed.map(({ id }) => id) };
  let answer: StateAnswer = { kind: 'no-value' };
  for (const candidate of candidatesOf(key)) {
    const shard = shardOfKeyGroup(keyGroupOf(candidate), plan.shardCount);
    const subtask = subtaskOfShard(shard, operator.vertex.parallelism);
    const query = { operatorId: uid, stateNamespace: operator.stateNamespace, subtask, state, key: candidate };
    answer = await ask(subtask % plan.workerCount, query);
    if (answer.kind !== 'no-value') return answer;
  }
  return answer;
}

function candidatesOf(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' || value === null ? [text] : [text, value];
  } catch {
    return [text];
  }
}
