import { invariant } from '../base/invariant.js';

/**
 * Aligns the checkpoint barriers that reach one subtask over its input channels.
 *
 * A channel that has delivered its barrier stays blocked until every other open channel has delivered theirs, so that the
 * snapshot holds the effect of each record before the barrier and of none after it. This is what exactly-once rests on.
 *
 *              first barrier                       last barrier, or the last open channel ends:
 *                                                  snapshot, unblock all
 *     IDLE ─────────────────────▶ ALIGNING ───────────────────────────────────────────▶ IDLE
 *       ▲                          │    ▲ │
 *       │                          └────┘ │ barrier of a newer checkpoint: the older one is given up, its channels flow again
 *       └─────────────────────────────────┘ the checkpoint was aborted: unblock all
 *
 * - A channel that has ended counts as having delivered every barrier: nothing comes after its end.
 * - A channel that is idle still delivers barriers; idleness concerns watermarks only.
 * - Barriers of a checkpoint that is complete here, or given up, are ignored: another channel may still hold one.
 * - Checkpoint ids grow. The coordinator never has two checkpoints in flight, so a newer barrier means that the older
 *   checkpoint was aborted and the notice has not arrived yet.
 *
 * Pure: no clock, thread or I/O, and no allocation after the constructor. The caller owns the channels: it does not poll a
 * blocked one, asks {@link isBlocked} again after each call, and carries out the returned step.
 */
export class BarrierAligner {
  readonly #channels: Uint8Array;
  #blockedCount = 0;
  #endedCount = 0;
  /** The checkpoint being aligned; 0 when idle. */
  #aligning = 0;
  /** The newest checkpoint that was aligned or given up: barriers up to it mean nothing any more. */
  #closed = 0;

  constructor(channelCount: number) {
    this.#channels = new Uint8Array(channelCount);
  }

  /** The checkpoint being aligned; 0 when none is. */
  get aligning(): number {
    return this.#aligning;
  }

  /** Whether the caller must leave the channel alone for now. */
  isBlocked(channel: number): boolean {
    return this.#channels[channel] === BLOCKED;
  }

  /**
   * A barrier arrived. Blocks the channel unless the barrier completes the alignment or is an old one.
   *
   * @returns the checkpoint to take a snapshot for, now, before any other element; 0 for none.
   */
  onBarrier(channel: number, checkpointId: number): number {
    invariant(this.#channels[channel] === OPEN, 'a barrier comes from a channel that is open and not blocked');
    invariant(checkpointId > 0, 'checkpoint ids start at 1');
    if (checkpointId <= this.#closed || checkpointId < this.#aligning) return 0;
    if (checkpointId > this.#aligning) {
      this.#giveUp();
      this.#aligning = checkpointId;
    }
    this.#channels[channel] = BLOCKED;
    this.#blockedCount++;
    return this.#completeIfAligned();
  }

  /**
   * A channel delivered its last element. It may have been the one that everybody waited for.
   *
   * @returns the checkpoint to take a snapshot for, now; 0 for none.
   */
  onChannelEnded(channel: number): number {
    invariant(this.#channels[channel] === OPEN, 'a channel ends once, and not while it is blocked');
    this.#channels[channel] = ENDED;
    this.#endedCount++;
    return this.#aligning === 0 ? 0 : this.#completeIfAligned();
  }

  /** The coordinator gave a checkpoint up: its channels flow again, and barriers of it that are still to come are ignored. */
  onAborted(checkpointId: number): void {
    if (this.#aligning !== 0 && this.#aligning <= checkpointId) this.#giveUp();
    this.#closed = Math.max(this.#closed, checkpointId);
  }

  #completeIfAligned(): number {
    if (this.#blockedCount + this.#endedCount < this.#channels.length) return 0;
    const aligned = this.#aligning;
    this.#giveUp();
    this.#closed = aligned;
    return aligned;
  }

  /** Back to idle: every blocked channel flows again. */
  #giveUp(): void {
    this.#aligning = 0;
    if (this.#blockedCount === 0) return;
    this.#blockedCount = 0;
    const channels = this.#channels;
    for (let channel = 0; channel < channels.length; channel++) {
      if (channels[channel] === BLOCKED) channels[channel] = OPEN;
    }
  }
}

const OPEN = 0;
const BLOCKED = 1;
const ENDED = 2;
