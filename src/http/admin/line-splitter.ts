const LINE_FEED = 10;
const NOTHING = Buffer.alloc(0);

/** Cuts a stream of bytes into lines, of bounded length, without copying those that lie in one chunk. */
export class LineSplitter {
  readonly #bytesMax: number;
  #rest: Buffer = NOTHING;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether the line that has begun is longer than is allowed. */
  get isTooLong(): boolean {
    return this.#rest.length > this.#bytesMax;
  }

  /** The lines that end in this chunk, without their ends. Their memory is the chunk's. */
  *push(chunk: Buffer): Generator<Buffer> {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      const line = chunk.subarray(start, end);
      const whole = this.#rest.length === 0 ? line : Buffer.concat([this.#rest, line]);
      this.#rest = NOTHING;
      start = end + 1;
      yield whole;
    }
    if (start < chunk.length) this.#rest = Buffer.concat([this.#rest, chunk.subarray(start)]);
  }

  /** What follows the last line end. */
  end(): Buffer {
    const rest = this.#rest;
    this.#rest = NOTHING;
    return rest;
  }
}
