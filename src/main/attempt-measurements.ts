import type { OperatorMeasurements } from '../api/internal/measurements.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import type { SubtaskMeasurements } from '../protocol/inspection.js';

/** How long somebody who looks waits for a worker that is busy in the job's code, in milliseconds. */
const ANSWER_MS_MAX = 500;

/** What the job's functions have measured in one subtask. */
export interface MeasuredSubtask {
  /** The vertex's id. */
  readonly vertex: string;
  readonly subtask: number;
  readonly operators: readonly OperatorMeasurements[];
}

/**
 * What the job's functions measure in one attempt. Its values are plain fields of the workers, who are asked when somebody
 * looks. Of a worker that does not answer in time, or has ended, its last answer is given.
 *
 * Thread: main.
 */
export class AttemptMeasurements {
  readonly #plan: ExecutionPlan;
  readonly #ask: (worker: number) => Promise<readonly SubtaskMeasurements[]>;
  /** By worker. */
  readonly #newest: (readonly SubtaskMeasurements[])[] = [];
  /** Whoever looks while a look is under way shares its outcome. */
  #asking: Promise<unknown> | null = null;

  constructor(plan: ExecutionPlan, ask: (worker: number) => Promise<readonly SubtaskMeasurements[]>) {
    this.#plan = plan;
    this.#ask = ask;
  }

  async read(): Promise<readonly MeasuredSubtask[]> {
    this.#asking ??= this.#askAll().finally(() => {
      this.#asking = null;
    });
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise((resolve) => {
      timer = setTimeout(resolve, ANSWER_MS_MAX);
    });
    await Promise.race([this.#asking, enough]);
    clearTimeout(timer);
    return this.newest();
  }

  /** Keeps an answer that came without being asked for. */
  keep(worker: number, measurements: readonly SubtaskMeasurements[]): void {
    this.#newest[worker] = measurements;
  }

  /** The last answers, in the order of the plan. */
  newest(): readonly MeasuredSubtask[] {
    return this.#newest
      .flat()
      .toSorted((a, b) => a.vertex - b.vertex || a.subtask - b.subtask)
      .map(({ vertex, subtask, operators }) => ({
        vertex: this.#plan.vertices[vertex]?.id ?? '',
        subtask,
        operators,
      }));
  }

  async #askAll(): Promise<void> {
    const workers = Array.from({ length: this.#plan.workerCount }, (_, worker) => worker);
    await Promise.all(
      workers.map(async (worker) => {
        try {
          this.keep(worker, await this.#ask(worker));
        } catch {
          // It has died, or the attempt ends: whoever minds learns it elsewhere.
        }
      }),
    );
  }
}
