import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PROBLEM_CONTENT_TYPE, problemBody, problemHeaders, problemStatus } from './problem.js';

const RETRY_AFTER_SECONDS = 1;

/**
 * Answers before there is a job: what the process waits for is not there yet, a broker say. `/healthz` says that it is alive,
 * `/readyz` why it is not ready, and every request gets 503. The gateway takes over the same port.
 *
 * Thread: main.
 */
export class WaitingRoom {
  readonly #server: Server;
  /** Why requests cannot be served: a sentence for `/readyz`. */
  reason: string;

  private constructor(reason: string) {
    this.reason = reason;
    this.#server = createServer({ keepAlive: false }, (request, response) => {
      // No connection may outlive this server: the next request is for the gateway.
      response.setHeader('connection', 'close');
      if (request.url === '/healthz') return answer(response, 200, { status: 'alive' });
      if (request.url === '/readyz') return answer(response, 503, { status: 'not ready', reasons: [this.reason] });
      return refuse(response);
    });
  }

  /** @throws an error of `listen` */
  static async open(host: string, port: number, reason: string): Promise<WaitingRoom> {
    const room = new WaitingRoom(reason);
    await new Promise<void>((resolve, reject) => {
      room.#server.once('error', reject).listen(port, host, () => resolve());
    });
    return room;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

function refuse(response: ServerResponse): void {
  const problem = { code: 'MILLRACE_NOT_READY', retryAfterSeconds: RETRY_AFTER_SECONDS } as const;
  const headers = problemHeaders(problem);
  for (let index = 0; index < headers.length; index += 2) {
    response.setHeader(headers[index] ?? '', headers[index + 1] ?? '');
  }
  response.writeHead(problemStatus(problem), { 'content-type': PROBLEM_CONTENT_TYPE });
  response.end(problemBody(problem, null));
}
