import type { RequestHandle } from '../api/process-function.js';
import type { RecordScope } from '../operators/operator.js';
import { RecordInWork } from '../shared-memory/record-in-work.js';

/**
 * The scope of a worker's tasks, with the record's origin where main finds it when the worker has died. Tasks take turns, and
 * each enters its own records: one place in the control block serves all of them.
 */
export class WorkerRecordScope extends RecordInWork implements RecordScope {
  request: RequestHandle | null = null;
  originTime = 0;
}
