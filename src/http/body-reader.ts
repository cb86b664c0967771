import type { IncomingMessage } from 'node:http';

import { MillraceError } from '../base/errors.js';
import { type BodyTaker, DirectMessage } from './direct-message.js';

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

/** Reads one body. */
export class BodyReader implements BodyTaker {
  readonly #message: IncomingMessage;
  readonly #limitBytes: number;
  readonly #budget: ReceiveBudget;
  /** `null` when it has been told. */
  #callback: BodyCallback | null;
  #first: Buffer | null = null;
  #rest: Buffer[] | null = null;
  #receivedBytes = 0;
  #discardedBytes = 0;

  constructor(message: IncomingMessage, limitBytes: number, budget: ReceiveBudget, callback: BodyCallback) {
    this.#message = message;
    this.#limitBytes = limitBytes;
    this.#budget = budget;
    this.#callback = callback;
  }

  start(): void {
    const message = this.#message;
    if (!(message instanceof DirectMessage && message.readInto(this))) this.#readStream();
    // `Number(undefined)` is not greater than anything. The runtime's parser has refused what is no number.
    if (Number(message.headers['content-length']) > this.#limitBytes) this.#refuse('MILLRACE_REQUEST_TOO_LARGE');
  }

  receive(chunk: Buffer): void {
    if (this.#callback === null) {
      this.#discard(chunk.length);
    } else if (this.#receivedBytes + chunk.length > this.#limitBytes) {
      this.#refuse('MILLRACE_REQUEST_TOO_LARGE');
    } else if (this.#budget.take(chunk.length)) {
      this.#receivedBytes += chunk.length;
      this.#keep(chunk);
    } else {
      this.#refuse('MILLRACE_BACKPRESSURE');
    }
  }

  end(): void {
    if (this.#callback !== null) this.#finish(null, this.#body());
  }

  abort(): void {
    if (this.#callback !== null) this.#finish(new MillraceError('MILLRACE_REQUEST_ABORTED', 'receiving a body'));
  }

  /** The body had begun before it was asked for: a hook waited, say. */
  #readStream(): void {
    // A message that breaks off closes without an end; nobody listens for its error, so none is raised.
    this.#message
      .on('data', (chunk: Buffer) => this.receive(chunk))
      .on('end', () => this.end())
      .on('close', () => this.abort());
  }

  #keep(chunk: Buffer): void {
    if (this.#first === null) this.#first = chunk;
    else if (this.#rest === null) this.#rest = [chunk];
    else this.#rest.push(chunk);
  }

  /** Always a copy: a chunk is a view into the large buffer that the socket was read into, and would keep all of it alive. */
  #body(): Buffer {
    if (this.#first === null) return Buffer.alloc(0);
    return this.#rest === null ? Buffer.from(this.#first) : Buffer.concat([this.#first, ...this.#rest]);
  }

  #refuse(code: 'MILLRACE_REQUEST_TOO_LARGE' | 'MILLRACE_BACKPRESSURE'): void {
    this.#finish(new MillraceError(code, 'receiving a body', { details: { limitBytes: this.#limitBytes } }));
  }

  #finish(error: Error | null, body?: Buffer): void {
    const callback = this.#callback;
    this.#callback = null;
    this.#budget.give(this.#receivedBytes);
    this.#first = null;
    this.#rest = null;
    if (body === undefined) callback?.(error);
    else callback?.(error, body);
  }

  /** Reads on without keeping anything, so that the client gets to read the answer. Too much of it closes the connection. */
  #discard(bytes: number): void {
    this.#discardedBytes += bytes;
    if (this.#discardedBytes > LINGER_BYTES) this.#message.destroy();
  }
}
