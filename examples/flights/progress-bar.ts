/** Where a bar is drawn: standard error, or a stand-in. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const WIDTH = 30;
/** Redrawing more often than this only costs time. */
const REDRAW_MS = 100;

/** A bar with rate and time left on a terminal; a line every tenth elsewhere. */
export class ProgressBar {
  readonly #total: number;
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  readonly #startedAt: number;
  #drawnAt: number;
  #tenths = 0;

  constructor(total: number, output: ProgressOutput, now: () => number) {
    this.#total = total;
    this.#output = output;
    this.#now = now;
    this.#startedAt = now();
    this.#drawnAt = this.#startedAt - REDRAW_MS;
  }

  update(done: number): void {
    const isLast = done === this.#total;
    if (this.#output.isTTY === true) {
      const now = this.#now();
      if (!isLast && now - this.#drawnAt < REDRAW_MS) return;
      this.#drawnAt = now;
      this.#output.write(`\r${this.#bar(done)} ${this.#figures(done)}\u001B[K${isLast ? '\n' : ''}`);
      return;
    }
    const tenths = Math.floor((done * 10) / this.#total);
    if (tenths === this.#tenths) return;
    this.#tenths = tenths;
    this.#output.write(`${this.#figures(done)}\n`);
  }

  #bar(done: number): string {
    const filled = Math.round((done / this.#total) * WIDTH);
    return `[${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}]`;
  }

  #figures(done: number): string {
    const seconds = Math.max(this.#now() - this.#startedAt, 1) / 1000;
    const perSecond = done / seconds;
    const left = Math.ceil((this.#total - done) / Math.max(perSecond, 1));
    const percent = Math.floor((done * 100) / this.#total);
    return `${String(percent)} %  ${String(done)}/${String(this.#total)}  ${perSecond.toFixed(0)}/s  ${String(left)} s left`;
  }
}
