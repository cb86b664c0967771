import type { Task } from './task.js';

/** What main has asked about, and is told of once. */
interface WatchedPassage {
  readonly ticket: number;
  readonly hasPassed: readonly (() => boolean)[];
}

/**
 * Watches until tasks have taken in what waited in their inputs at the moment of the question. What comes behind it does not
 * count, so a task that never rests passes as well.
 *
 * Thread: the worker's. Cost: a comparison per turn while nothing is watched.
 */
export class PassageWatch {
  readonly #onPassed: (ticket: number) => void;
  #watched: WatchedPassage[] = [];

  constructor(onPassed: (ticket: number) => void) {
    this.#onPassed = onPassed;
  }

  watch(ticket: number, tasks: readonly Task[]): void {
    this.#watched.push({ ticket, hasPassed: tasks.map((task) => task.watchInputs()) });
  }

  /** Between two turns. */
  settle(): void {
    if (this.#watched.length === 0) return;
    this.#watched = this.#watched.filter(({ ticket, hasPassed }) => {
      if (!hasPassed.every((passed) => passed())) return true;
      this.#onPassed(ticket);
      return false;
    });
  }
}
