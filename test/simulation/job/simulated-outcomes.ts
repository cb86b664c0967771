import { invariant } from '../../../src/base/invariant.js';
import type { Prng } from '../../../src/base/prng.js';
import type {
  OutcomeFileName,
  OutcomeFolder,
  OutcomeListener,
  OutcomeSink,
} from '../../../src/workers/outcome-file.js';

interface Pending {
  readonly frame: Uint8Array;
  readonly listener: OutcomeListener;
}

/** A file: what is durable, and what waits for the disk. */
class SimulatedFile implements OutcomeSink {
  readonly name: OutcomeFileName;
  readonly frames: Uint8Array[] = [];
  #pending: Pending[] = [];
  readonly #closers: (() => void)[] = [];

  constructor(name: OutcomeFileName) {
    this.name = name;
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  append(frame: Uint8Array, listener: OutcomeListener): void {
    this.#pending.push({ frame: Uint8Array.from(frame), listener });
  }

  close(): Promise<void> {
    if (this.#pending.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#closers.push(resolve));
  }

  makeDurable(count: number): void {
    const written = this.#pending.splice(0, count);
    this.frames.push(...written.map(({ frame }) => frame));
    for (const { listener } of written) listener(null);
    if (this.#pending.length === 0) for (const closed of this.#closers.splice(0)) closed();
  }

  /** The thread is gone: of what waits, any part from the front may be there, and nobody is told. */
  lose(keptCount: number): void {
    this.frames.push(...this.#pending.slice(0, keptCount).map(({ frame }) => frame));
    this.#pending = [];
  }
}

/** The folder of outcomes on a disk whose writes end when the simulation wants. */
export class SimulatedOutcomes implements OutcomeFolder {
  #files: SimulatedFile[] = [];

  list(): Promise<OutcomeFileName[]> {
    const names = this.#files.map(({ name }) => name);
    return Promise.resolve(names.toSorted((a, b) => a.number - b.number));
  }

  read(name: OutcomeFileName): Promise<readonly Uint8Array[]> {
    return Promise.resolve(this.#find(name)?.frames ?? []);
  }

  create(name: OutcomeFileName): OutcomeSink {
    invariant(this.#find(name) === undefined, 'the name of a file is used once');
    const file = new SimulatedFile(name);
    this.#files.push(file);
    return file;
  }

  remove(name: OutcomeFileName): Promise<void> {
    this.#files = this.#files.filter((file) => file !== this.#find(name));
    return Promise.resolve();
  }

  /** The disk does something for one file. */
  step(prng: Prng): void {
    const waiting = this.#files.filter(({ pendingCount }) => pendingCount > 0);
    const file = waiting[prng.below(Math.max(1, waiting.length))];
    file?.makeDurable(1 + prng.below(file.pendingCount));
  }

  /** The attempt that wrote has ended, as its process or its threads have. */
  lose(prng: Prng): void {
    for (const file of this.#files) file.lose(prng.below(file.pendingCount + 1));
  }

  #find({ number, worker }: OutcomeFileName): SimulatedFile | undefined {
    return this.#files.find(({ name }) => name.number === number && name.worker === worker);
  }
}
