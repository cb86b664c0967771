/**
 * Where the sources of a job show each other how far they have come, so that those of one group can wait for the slowest.
 *
 * ```text
 *   slot   f64   watermark of one source partition: -Infinity before the first, +Infinity while it is idle and once it has ended
 * ```
 *
 * - **Invariant:** a slot is written by the worker of its source alone, and read by everybody.
 * - A source partition is held while its watermark is more than the drift above the least slot of its group.
 * - Nobody waits for ever: the one whose slot is least is never held, whatever the drift, and its slot only rises. A reader
 *   sees a store late at worst, and then holds for longer than it would have to, until it looks again.
 *
 * Plain loads and stores: a value is written in one piece on the machines that Node.js supports, and none depends on another
 * (docs/decisions/0012-counters-in-shared-memory.md).
 */

/** Where the board lies. Plain data: goes to a worker by structured clone, and the memory stays shared. */
export interface AlignmentBoardDescriptor {
  readonly memory: SharedArrayBuffer;
}

/** A board on which nobody has a watermark yet. */
export function allocateAlignmentBoard(slotCount: number): AlignmentBoardDescriptor {
  const memory = new SharedArrayBuffer(slotCount * Float64Array.BYTES_PER_ELEMENT);
  new Float64Array(memory).fill(-Infinity);
  return { memory };
}

/** The watermarks of aligned sources. Thread: any; {@link write} only the worker of the slot's source. */
export class AlignmentBoard {
  readonly #slots: Float64Array<SharedArrayBuffer>;

  constructor({ memory }: AlignmentBoardDescriptor) {
    this.#slots = new Float64Array(memory);
  }

  read(slot: number): number {
    return this.#slots[slot] as number;
  }

  /** @param watermark `Infinity` for one that holds nobody back */
  write(slot: number, watermark: number): void {
    this.#slots[slot] = watermark;
  }

  /** The least watermark of a group, by the slots of its members; `Infinity` when none of them holds the others back. */
  least(group: readonly number[]): number {
    let least = Infinity;
    for (let i = 0; i < group.length; i++) least = Math.min(least, this.#slots[group[i] as number] as number);
    return least;
  }

  /** Whether the source partition of this slot is too far ahead of its group to be read on. */
  isHeld(slot: number, group: readonly number[], maxDriftMs: number): boolean {
    const watermark = this.read(slot);
    // One that is idle, or has ended, has nothing that could be held.
    return watermark !== Infinity && watermark > this.least(group) + maxDriftMs;
  }
}
