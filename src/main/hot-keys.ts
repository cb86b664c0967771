import type { PlanVertex } from '../graph/execution-plan.js';
import type { SubtaskHotKeys } from '../protocol/inspection.js';
import type { OperatorHotKeys } from './job-admin.js';

/** Keys told of one operator. */
const KEYS_MAX = 20;

/**
 * Puts together what the subtasks of a vertex found. Their keys differ: a key belongs to one subtask. Samples are remembered
 * for equally long everywhere, so what a subtask found counts by its share of the records.
 */
export function hotKeysOf(vertex: PlanVertex, found: readonly SubtaskHotKeys[]): OperatorHotKeys[] {
  return vertex.operators.flatMap(({ id }) => {
    const subtasks = found.filter(({ vertex: index, operatorId }) => index === vertex.index && operatorId === id);
    if (subtasks.length === 0) return [];
    const sampledCount = subtasks.reduce((sum, { total }) => sum + total, 0);
    const allRecords = subtasks.reduce((sum, { records }) => sum + records, 0);
    const keys = subtasks.flatMap(({ subtask, records, total, keys: counted }) => {
      const perSample = records / allRecords / total;
      return counted.map(({ key, count, error }) => {
        return { key: textOf(key), share: count * perSample, error: error * perSample, subtask };
      });
    });
    return [{ uid: id, sampledCount, keys: keys.sort((a, b) => b.share - a.share).slice(0, KEYS_MAX) }];
  });
}

/** Keys that are neither text nor number come with a mark of two characters (`canonicalKey`). */
function textOf(key: string | number): string {
  return typeof key === 'string' && key.startsWith('\u0000') ? key.slice(2) : String(key);
}
