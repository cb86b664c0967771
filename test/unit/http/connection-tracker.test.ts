import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';

import { describe, expect, it } from 'vitest';

import { Connection } from '../../../src/http/connection-tracker.js';
import type { ConnectionUser } from '../../../src/http/connection-tracker.js';

/** All that a connection needs of a socket is its end. */
const makeSocket = (): Socket => new Duplex({ read: () => undefined }) as unknown as Socket;

class User implements ConnectionUser {
  connectionNext: ConnectionUser | null = null;
  connectionPrevious: ConnectionUser | null = null;
  hangUpCount = 0;

  onHangUp(): void {
    this.hangUpCount += 1;
  }
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.once('close', () => resolve());
    socket.destroy();
  });

describe('Connection', () => {
  it('is one per socket, with one listener however many requests it carries', () => {
    const socket = makeSocket();
    const connection = Connection.of(socket);
    for (let count = 0; count < 100; count += 1) {
      const user = new User();
      Connection.of(socket).add(user);
      connection.remove(user);
    }
    expect(Connection.of(socket)).toBe(connection);
    expect(socket.listenerCount('close')).toBe(1);
  });

  it.each([[[0, 1, 2]], [[2, 1, 0]], [[1, 0, 2]], [[1, 2, 0]]])(
    'is not busy when its requests have ended in the order %j, and tells none of them',
    async (order) => {
      const socket = makeSocket();
      const connection = Connection.of(socket);
      const users = [new User(), new User(), new User()];
      for (const user of users) connection.add(user);
      for (const index of order) {
        expect(connection.isBusy).toBe(true);
        connection.remove(users[index] ?? new User());
      }
      expect(connection.isBusy).toBe(false);
      await closed(socket);
      expect(users.map(({ hangUpCount }) => hangUpCount)).toEqual([0, 0, 0]);
    },
  );

  it('tells each request that has not ended, once', async () => {
    const socket = makeSocket();
    const connection = Connection.of(socket);
    const users = [new User(), new User(), new User()];
    for (const user of users) connection.add(user);
    const [first, second, third] = users;
    connection.remove(second ?? new User());
    await closed(socket);
    expect([first?.hangUpCount, second?.hangUpCount, third?.hangUpCount]).toEqual([1, 0, 1]);
    expect([connection.isClosed, connection.isBusy]).toEqual([true, false]);
  });

  it('knows that its socket was gone before the first request', () => {
    const socket = makeSocket();
    socket.destroy();
    expect(Connection.of(socket).isClosed).toBe(true);
  });
});
