import type { MessagePort } from 'node:worker_threads';

type Listener = ((event: { data: unknown }) => void) | { handleEvent(event: { data: unknown }): void };

/** The shape of a DOM message endpoint, which the RPC library expects. */
export interface PortEndpoint {
  postMessage(message: unknown, transfer?: unknown[]): void;
  addEventListener(type: string, listener: unknown): void;
  removeEventListener(type: string, listener: unknown): void;
  start(): void;
}

/** A Node message port in the shape of a DOM one. */
export function portEndpoint(port: MessagePort): PortEndpoint {
  const adapters = new Map<unknown, (data: unknown) => void>();
  return {
    postMessage: (message) => port.postMessage(message),
    addEventListener: (_type, listener) => {
      const adapter = (data: unknown): void => {
        const target = listener as Listener;
        if (typeof target === 'function') target({ data });
        else target.handleEvent({ data });
      };
      adapters.set(listener, adapter);
      port.on('message', adapter);
    },
    removeEventListener: (_type, listener) => {
      const adapter = adapters.get(listener);
      if (adapter !== undefined) port.off('message', adapter);
      adapters.delete(listener);
    },
    start: () => port.start(),
  };
}
