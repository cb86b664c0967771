import type { Socket } from 'node:net';

/**
 * Cuts connections whose client does not take what is sent to it, so that nobody can make the process hold answers for ever.
 *
 * Looks now and then instead of timing each answer: an answer that is still not taken after one whole interval is cut within
 * a second one.
 */
export class SlowReaders {
  /** Bytes ever sent on each connection that had bytes waiting when it was last looked at. */
  #waiting = new Map<Socket, number>();

  /** To be called once per interval. @returns how many connections were cut. */
  cut(sockets: Iterable<Socket>): number {
    const waiting = new Map<Socket, number>();
    let cutCount = 0;
    for (const socket of sockets) {
      if (socket.writableLength === 0) continue;
      const sentBytes = socket.bytesWritten - socket.writableLength;
      if (this.#waiting.get(socket) === sentBytes) {
        socket.destroy();
        cutCount += 1;
      } else {
        waiting.set(socket, sentBytes);
      }
    }
    this.#waiting = waiting;
    return cutCount;
  }
}
