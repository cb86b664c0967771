import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** The first of `count` neighbouring ports that were free a moment ago. */
export async function freePort(count = 1): Promise<number> {
  for (;;) {
    const first = await listenOnce(0);
    const others = Array.from({ length: count - 1 }, (_, index) => listenOnce(first + 1 + index));
    const ports = await Promise.allSettled(others);
    if (ports.every(({ status }) => status === 'fulfilled')) return first;
  }
}

async function listenOnce(port: number): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve());
  });
  const { port: bound } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return bound;
}
