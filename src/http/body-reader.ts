import type { IncomingMessage } from 'node:http';

import { MillraceError } from '../base/errors.js';

/**
 * Reads a body into memory within two limits: its own, and that of all bodies being received. The second counts bytes that
 * came, not bytes that were announced, so that nobody can reserve it without paying for it.
 *
 * What exceeds the limit is read on and thrown away for a while: closing at once would reset the connection, and the client
 * that is still sending would never see the answer.
 */

/** How much of a body that was refused is read on, at most. */
const LINGER_BYTES = 4 * 1024 * 1024;

/** Bytes of bodies being received, over all connections. */
export class ReceiveBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#maxBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

/** Told once: the body, or why there is none. */
export type BodyCallback = (error: Error | null, body?: Buffer) => void;

const EMPTY = Buffer.alloc(0);

/** Reads one body. */
export class BodyReader {
  readonly #message: IncomingMessage;
  readonly #limitBytes: number;
  readonly #budget: ReceiveBudget;
  readonly #callback: BodyCallback;
  readonly #onData = (chunk: Buffer): void => this.#receive(chunk);
  readonly #onEnd = (): void => this.#finish(null);
  readonly #onError = (error: Error): void => this.#finish(error);
  readonly #onClose = (): void => this.#finish(new MillraceError('MILLRACE_REQUEST_ABORTED', 'receiving a body'));
  #chunks: Buffer[] = [];
  #receivedBytes = 0;

  constructor(message: IncomingMessage, limitBytes: number, budget: ReceiveBudget, callback: BodyCallback) {
    this.#message = message;
    this.#limitBytes = limitBytes;
    this.#budget = budget;
    this.#callback = callback;
  }

  start(): void {
    const message = this.#message;
    // `Number(undefined)` is not greater than anything. The runtime's parser has refused what is no number.
    if (Number(message.headers['content-length']) > this.#limitBytes) {
      this.#refuse('MILLRACE_REQUEST_TOO_LARGE');
      return;
    }
    message.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose);
  }

  #receive(chunk: Buffer): void {
    if (this.#receivedBytes + chunk.length > this.#limitBytes) return this.#refuse('MILLRACE_REQUEST_TOO_LARGE');
    if (!this.#budget.take(chunk.length)) return this.#refuse('MILLRACE_BACKPRESSURE');
    this.#receivedBytes += chunk.length;
    this.#chunks.push(chunk);
  }

  #finish(error: Error | null): void {
    const body = error === null ? this.#body() : EMPTY;
    this.#release();
    this.#callback(error, body);
  }

  /** Always a copy: a chunk is a view into the large buffer that the socket was read into, and would keep all of it alive. */
  #body(): Buffer {
    const [first] = this.#chunks;
    return first !== undefined && this.#chunks.length === 1 ? Buffer.from(first) : Buffer.concat(this.#chunks);
  }

  #refuse(code: 'MILLRACE_REQUEST_TOO_LARGE' | 'MILLRACE_BACKPRESSURE'): void {
    this.#release();
    discardRest(this.#message);
    this.#callback(new MillraceError(code, 'receiving a body', { details: { limitBytes: this.#limitBytes } }));
  }

  #release(): void {
    this.#message
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('error', this.#onError)
      .off('close', this.#onClose);
    this.#budget.give(this.#receivedBytes);
    this.#receivedBytes = 0;
    this.#chunks = [];
  }
}

/** Reads on without keeping anything, so that the client gets to read the answer. Too much of it closes the connection. */
function discardRest(message: IncomingMessage): void {
  let discardedBytes = 0;
  message.on('data', (chunk: Buffer) => {
    discardedBytes += chunk.length;
    if (discardedBytes > LINGER_BYTES) message.destroy();
  });
  message.on('error', () => undefined);
}
