/**
 * Holds the commits of a topic back for company (`TopicConfig.commitDelayMs`): replies that a replay gives again leave the
 * disk to those who wait for it. Main thread.
 */
export class CommitDelay {
  /** 0 holds nothing back. */
  delayMs = 0;
  readonly #onOver: () => void;
  #timer: NodeJS.Timeout | null = null;

  /** @param onOver called when the time of what was held back is over */
  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** Whether something is being held back. */
  get isHolding(): boolean {
    return this.#timer !== null;
  }

  /** Holds back what waits now, unless it is urgent. @returns whether it is held back */
  hold(isUrgent: boolean): boolean {
    if (this.delayMs === 0 || isUrgent) {
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = null;
      return false;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#onOver();
    }, this.delayMs);
    return true;
  }
}
