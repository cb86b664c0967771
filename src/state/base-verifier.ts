import { join } from 'node:path';
import { probeFile } from '../storage/file-probe.js';
import { settledWithin } from './event-loop.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import { LmdbFileCheck } from './lmdb-file-check.js';

/** Pages looked at between two looks at the clock. */
const PAGES_PER_STEP = 8;
const SETTLE_TURNS_MAX = 100;

/**
 * Checks the bases that were too large to be checked before they were opened, page by page, while the store is in use.
 *
 * **Invariant:** nothing is written to a base before it has been checked. So the pages of its file stand still: what is
 * checked is what was opened, and what it is wrong with it has not been copied anywhere.
 *
 * One thread: the store's. Nothing here waits; {@link step} is called again after `onProgress`.
 */
export class BaseVerifier {
  readonly #left: LmdbEnvironment[];
  readonly #onProgress: () => void;
  #check: { readonly pages: Iterator<void, string | null>; readonly environment: LmdbEnvironment } | null = null;
  #reading: Promise<void> | null = null;
  #failure: Error | null = null;

  constructor(environments: readonly (LmdbEnvironment | null)[], onProgress: () => void) {
    this.#left = environments.filter((environment) => environment !== null);
    this.#onProgress = onProgress;
  }

  /** Whether bases are left that nothing may be written to. */
  get isPending(): boolean {
    return this.#left.length > 0 || this.#check !== null || this.#reading !== null || this.#failure !== null;
  }

  /** Whether a file is being read. */
  get isWaiting(): boolean {
    return this.#reading !== null;
  }

  /**
   * Checks some pages.
   *
   * @returns whether more can be done now; not so while a file is being read
   * @throws MillraceError `MILLRACE_STATE_CORRUPT`, naming file and page
   */
  step(): boolean {
    if (this.#failure !== null) throw this.#failure;
    if (this.#reading !== null) return false;
    if (this.#check === null) return this.#readNext();
    const { pages, environment } = this.#check;
    for (let count = 0; count < PAGES_PER_STEP; count++) {
      const next = pages.next();
      if (next.done !== true) continue;
      this.#check = null;
      if (next.value !== null) throw (this.#failure = environment.damaged(next.value));
      break;
    }
    return this.isPending;
  }

  /** Resolves when no file is being read. */
  async settle(): Promise<void> {
    if (this.#reading !== null) await settledWithin(this.#reading, SETTLE_TURNS_MAX);
  }

  #readNext(): false {
    const environment = this.#left.shift();
    if (environment === undefined) return false;
    this.#reading = this.#read(environment)
      .catch((error: unknown) => {
        this.#failure = error as Error;
      })
      .finally(() => {
        this.#reading = null;
        this.#onProgress();
      });
    return false;
  }

  async #read(environment: LmdbEnvironment): Promise<void> {
    const file = await probeFile(join(environment.path, 'data.mdb'), Infinity);
    if (file === null) throw environment.damaged('it is gone');
    this.#check = { pages: new LmdbFileCheck(file.start, file.sizeBytes).pages(), environment };
  }
}
