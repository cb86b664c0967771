import type { Socket } from 'node:net';

/**
 * Tells requests that their client hung up. One listener per connection, none per request: a kept-alive connection carries
 * thousands of requests, and with pipelining several at a time.
 *
 * Thread: main.
 */

/** A request that wants to know. The links belong to {@link Connection}. */
export interface ConnectionUser {
  connectionNext: ConnectionUser | null;
  connectionPrevious: ConnectionUser | null;
  /** The connection closed before the answer was written. */
  onHangUp(): void;
}

const CONNECTION = Symbol('millrace.connection');

interface TrackedSocket extends Socket {
  [CONNECTION]?: Connection;
}

/** The requests in progress on one socket. */
export class Connection {
  #first: ConnectionUser | null = null;
  #isClosed = false;

  /** The connection of a socket; made with its first request. */
  static of(socket: Socket): Connection {
    const tracked: TrackedSocket = socket;
    return (tracked[CONNECTION] ??= new Connection(socket));
  }

  private constructor(socket: Socket) {
    this.#isClosed = socket.destroyed;
    socket.once('close', () => this.#close());
  }

  /** Nobody reads what is written to it. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** A request on it waits for its answer. */
  get isBusy(): boolean {
    return this.#first !== null;
  }

  add(user: ConnectionUser): void {
    user.connectionNext = this.#first;
    if (this.#first !== null) this.#first.connectionPrevious = user;
    this.#first = user;
  }

  remove(user: ConnectionUser): void {
    const { connectionNext: next, connectionPrevious: previous } = user;
    if (previous !== null) previous.connectionNext = next;
    else if (this.#first === user) this.#first = next;
    if (next !== null) next.connectionPrevious = previous;
    user.connectionNext = null;
    user.connectionPrevious = null;
  }

  #close(): void {
    this.#isClosed = true;
    while (this.#first !== null) {
      const user = this.#first;
      this.remove(user);
      user.onHangUp();
    }
  }
}
