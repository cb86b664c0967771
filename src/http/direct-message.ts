import { IncomingMessage } from 'node:http';

/**
 * A message whose body goes from the parser straight to whoever reads it. As a stream each body costs three listeners, a
 * buffer and four ticks, which for a small one is more than all the rest of its way through the gateway.
 *
 * The runtime makes its messages of this class (`http.ServerOptions.IncomingMessage`), hands a body over through `push`, as any
 * source of a stream does, and looks at `readableEnded` when the answer is written. A message that nobody reads directly is the
 * stream that it always was.
 */

/** Takes a body piece by piece. */
export interface BodyTaker {
  receive(chunk: Buffer): void;
  /** It is whole. */
  end(): void;
  /** It broke off, or its connection was closed. May come after the end. */
  abort(): void;
}

interface Dumpable {
  /** Has what is left of a body read and dropped, once the answer is written. */
  _dump(): void;
}

const stream = IncomingMessage.prototype as unknown as Dumpable;

export class DirectMessage extends IncomingMessage {
  #taker: BodyTaker | null = null;
  #isBuffering = false;
  #hasEnded = false;

  /** Whether the body was handed over to its end. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get isDirect(): boolean {
    return this.#taker !== null;
  }

  /**
   * Hands the body over as it comes, from its first byte.
   *
   * @returns false when it is too late: a part of the body is in the stream already, which has to be read then
   */
  readInto(taker: BodyTaker): boolean {
    if (this.#isBuffering) return false;
    this.#taker = taker;
    return true;
  }

  override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    const taker = this.#taker;
    if (taker === null) {
      this.#isBuffering = true;
      return super.push(chunk, encoding);
    }
    if (chunk === null) {
      this.#hasEnded = true;
      taker.end();
    } else {
      taker.receive(chunk);
    }
    return true;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#taker?.abort();
    super._destroy(error, callback);
  }

  /** Who reads directly reads on to the end, and counts: there is nothing to drop. */
  _dump(): void {
    if (this.#taker === null) stream._dump.call(this);
  }
}

// The base declares it as a property, which a class cannot override with an accessor.
Object.defineProperty(DirectMessage.prototype, 'readableEnded', {
  configurable: true,
  get(this: DirectMessage): boolean {
    return this.isDirect ? this.hasEnded : Reflect.get(stream, 'readableEnded', this) === true;
  },
});
