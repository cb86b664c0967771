import type { Clock } from '../base/clock.js';
import type { WorkerEvent } from '../protocol/control-message.js';
import type { CheckpointEntry } from './job-admin.js';

/** Checkpoints that are remembered, those that failed included. */
const ENTRIES_MAX = 100;

type Draft = { -readonly [Key in keyof CheckpointEntry]: CheckpointEntry[Key] };

/** What became of the last checkpoints. Thread: main. */
export class CheckpointHistory {
  readonly #clock: Clock;
  readonly #entries: Draft[] = [];
  #totalCount = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Newest first. */
  entries(): readonly CheckpointEntry[] {
    return this.#entries.toReversed().map((entry) => Object.assign({}, entry));
  }

  /** Checkpoints begun, forgotten ones included. */
  get totalCount(): number {
    return this.#totalCount;
  }

  triggered(id: number, reason: CheckpointEntry['reason'], participantCount: number): void {
    this.#totalCount++;
    this.#entries.push({
      id,
      state: 'IN_PROGRESS',
      reason,
      isSavepoint: false,
      triggeredAt: this.#clock.now(),
      latestAckAt: null,
      endedAt: null,
      sizeBytes: 0,
      fullSizeBytes: 0,
      acknowledgedCount: 0,
      participantCount,
      failure: null,
      workers: [],
    });
    if (this.#entries.length > ENTRIES_MAX) this.#entries.shift();
  }

  /** A participant has done its part; `ack` is `null` for a channel to main. */
  acknowledged(id: number, ack: (WorkerEvent & { readonly kind: 'checkpoint-acknowledged' }) | null): void {
    const entry = this.#find(id);
    if (entry === undefined) return;
    const now = this.#clock.now();
    entry.latestAckAt = now;
    entry.acknowledgedCount++;
    if (ack === null) return;
    let sizeBytes = 0;
    for (const { bytes, segments } of ack.segments) {
      sizeBytes += bytes;
      for (const segment of segments) entry.fullSizeBytes += segment.bytes;
    }
    entry.sizeBytes += sizeBytes;
    entry.workers = [...entry.workers, { worker: ack.worker, acknowledgedAt: now, sizeBytes, pauseMs: ack.pauseMsMax }];
  }

  /** A savepoint was made of the checkpoint. */
  becameSavepoint(id: number): void {
    const entry = this.#entries.findLast((candidate) => candidate.id === id);
    if (entry !== undefined) entry.isSavepoint = true;
  }

  completed(id: number): void {
    this.#end(id, 'COMPLETED', null);
  }

  failed(id: number, cause: Error): void {
    this.#end(id, 'FAILED', cause.message);
  }

  #end(id: number, state: 'COMPLETED' | 'FAILED', failure: string | null): void {
    const entry = this.#find(id);
    if (entry === undefined) return;
    entry.state = state;
    entry.failure = failure;
    entry.endedAt = this.#clock.now();
  }

  #find(id: number): Draft | undefined {
    return this.#entries.findLast((entry) => entry.id === id && entry.state === 'IN_PROGRESS');
  }
}
