import { MAX_WATERMARK, NO_TIMESTAMP } from '../api/timer-service.js';

/**
 * The watermark of an operator with two inputs: the least of the inputs that are not idle, when that is larger than before.
 * An input that becomes active again counts at once, with its last watermark. As Flink's `IndexedCombinedWatermarkStatus`.
 */
export class CombinedWatermark {
  readonly #watermarks = [NO_TIMESTAMP, NO_TIMESTAMP];
  readonly #isIdle = [false, false];
  #combined = NO_TIMESTAMP;
  #allIdle = false;

  /** Whether no input is active. */
  get allIdle(): boolean {
    return this.#allIdle;
  }

  get combined(): number {
    return this.#combined;
  }

  /** @returns whether the combined watermark advanced. */
  updateWatermark(inputIndex: number, timestamp: number): boolean {
    this.#isIdle[inputIndex] = false;
    this.#watermarks[inputIndex] = Math.max(this.#watermarks[inputIndex] as number, timestamp);
    return this.#combine();
  }

  /** @returns whether the combined watermark advanced. */
  updateStatus(inputIndex: number, isIdle: boolean): boolean {
    this.#isIdle[inputIndex] = isIdle;
    return this.#combine();
  }

  #combine(): boolean {
    let least = MAX_WATERMARK;
    this.#allIdle = true;
    for (let i = 0; i < 2; i++) {
      if (this.#isIdle[i] === true) continue;
      this.#allIdle = false;
      least = Math.min(least, this.#watermarks[i] as number);
    }
    if (this.#allIdle || least <= this.#combined) return false;
    this.#combined = least;
    return true;
  }
}
