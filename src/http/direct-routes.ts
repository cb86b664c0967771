import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import findMyWay from 'find-my-way';
import type { HTTPMethod, HTTPVersion } from 'find-my-way';

/**
 * The job's routes beneath fastify: its request and reply objects, its parser of bodies and its chain of hooks cost a request as
 * much as all that the gateway does for it, and the job's routes use none of them. Routed by fastify's own router, so that a path
 * means the same here and there.
 *
 * Only where nobody hooks in before a request: no plugin of the author, no token, rate or origin to check. Whatever is out of the
 * ordinary, an unknown path or a body of another type say, is left to fastify.
 */

export type Params = Readonly<Record<string, string>>;
export type Query = Readonly<Record<string, string | readonly string[]>>;

/** Serves requests of one route. */
export interface DirectRoute {
  /** @returns false when it is a request for fastify; nothing has happened to it then */
  take(message: IncomingMessage, response: ServerResponse, params: Params, query: Query): boolean;
}

/** What the router gives for a path that matches. */
interface Found {
  readonly store: DirectRoute;
  readonly params: Params;
  readonly searchParams: Query;
}

const unused = (): void => undefined;

export class DirectRoutes {
  readonly #router: findMyWay.Instance<HTTPVersion.V1>;

  constructor(options: { readonly maxParamLength: number }) {
    this.#router = findMyWay(options);
  }

  add(method: string, path: string, route: DirectRoute): void {
    this.#router.on(method as HTTPMethod, path, unused, route);
  }

  /** A route that fastify serves: it may be more to the point than one of the job that matches too. */
  leave(method: string, path: string): void {
    this.#router.on(method as HTTPMethod, path, unused, null);
  }

  /** Asks these routes before whoever listens for requests now. */
  standBefore(server: Server): void {
    const listeners = server.listeners('request') as ((message: IncomingMessage, response: ServerResponse) => void)[];
    server.removeAllListeners('request');
    server.on('request', (message: IncomingMessage, response: ServerResponse) => {
      if (this.#take(message, response)) return;
      for (const listener of listeners) listener.call(server, message, response);
    });
  }

  #take(message: IncomingMessage, response: ServerResponse): boolean {
    const found = this.#router.find(message.method as HTTPMethod, message.url ?? '');
    if (found === null || found.store === null) return false;
    const { store, params, searchParams } = found as unknown as Found;
    return store.take(message, response, params, searchParams);
  }
}
