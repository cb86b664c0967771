import {
  CONTROL_BLOCK_WORDS,
  CONTROL_RECORD_OFFSET,
  CONTROL_RECORD_PARTITION,
  CONTROL_RECORD_SOURCE,
} from './layout.js';
import type { DoorbellDescriptor } from './shared-region.js';

/**
 * Which source record a thread works on, in its control block: so that it can still be told when the thread has died of it.
 * The owner sets all three as it takes a record up; {@link originPartition} is negative while it works on none from a topic.
 *
 * Cost: plain stores, no ordering. Somebody else reads them only when the thread is gone, or is stuck, and they stand still.
 */
export class RecordInWork {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #offset: Float64Array<SharedArrayBuffer>;

  /** @param controlBlock of the thread */
  constructor({ memory, byteOffset }: DoorbellDescriptor) {
    this.#words = new Int32Array(memory, byteOffset, CONTROL_BLOCK_WORDS);
    this.#offset = new Float64Array(memory, byteOffset + CONTROL_RECORD_OFFSET * 4, 1);
  }

  /** Place of the source among those of the job. */
  get originSource(): number {
    return this.#words[CONTROL_RECORD_SOURCE] as number;
  }

  set originSource(source: number) {
    this.#words[CONTROL_RECORD_SOURCE] = source;
  }

  get originPartition(): number {
    return (this.#words[CONTROL_RECORD_PARTITION] as number) - 1;
  }

  set originPartition(partition: number) {
    this.#words[CONTROL_RECORD_PARTITION] = partition + 1;
  }

  get originOffset(): number {
    return this.#offset[0] as number;
  }

  set originOffset(offset: number) {
    this.#offset[0] = offset;
  }
}
