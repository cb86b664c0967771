import type { IncomingMessage } from 'node:http';

import { BearerToken } from '../bearer-token.js';
import { ProblemError } from '../problem.js';

/** What of a request says who asks. */
type Asking = Pick<IncomingMessage, 'headers' | 'socket'>;

/**
 * Who may use the admin API: a program on this machine, or whoever has the token.
 *
 * A browser on this machine acts for any page that is open in it, so two more things are asked of a request without the token:
 * that it names this server by a loopback name, or a page could reach it by a name of its own that leads here (DNS rebinding);
 * and that it does not come from a page of another origin.
 */
export class AdminGuard {
  readonly #token: BearerToken | null;

  /** @param token `null`: loopback only */
  constructor(token: string | null) {
    this.#token = token === null ? null : new BearerToken(token);
  }

  /**
   * Whether a request to a route of the job may ask for what is the admin API's, such as its own trace. Its `authorization`
   * may be meant for the job, so the admin token may stand in the header that asks.
   */
  allows(request: Asking, token: string): boolean {
    if (this.#token?.isIn(`Bearer ${token}`) === true || this.#token?.isIn(request.headers.authorization) === true) {
      return true;
    }
    return this.#refusalOfStranger(request) === null;
  }

  /** @throws ProblemError `MILLRACE_UNAUTHORIZED`, `MILLRACE_FORBIDDEN` */
  check(request: Asking): void {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      if (this.#token?.isIn(authorization) === true) return;
      throw unauthorized('The token is not the one of this process.');
    }
    const refusal = this.#refusalOfStranger(request);
    if (refusal !== null) throw refusal;
  }

  /** Why a request without the token may not pass; `null` when it may. */
  #refusalOfStranger(request: Asking): ProblemError | null {
    const { host, origin } = request.headers;
    if (!isLoopbackAddress(request.socket.remoteAddress)) {
      return unauthorized('From another machine the admin API needs a token: authorization: Bearer …');
    }
    if (!isLoopbackHost(host)) {
      return forbidden('Without a token the admin API is reached by a loopback name: localhost, 127.0.0.1 or [::1].');
    }
    if (origin !== undefined && hostOf(origin) !== host)
      return forbidden('The request comes from a page of another origin.');
    return null;
  }
}

function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  return /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address) || address === '::1';
}

function isLoopbackHost(host: string | undefined): boolean {
  return host !== undefined && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i.test(host);
}

function hostOf(origin: string): string | null {
  try {
    return new URL(origin).host;
  } catch {
    return null;
  }
}

function unauthorized(detail: string): ProblemError {
  return new ProblemError({ code: 'MILLRACE_UNAUTHORIZED', detail });
}

function forbidden(detail: string): ProblemError {
  return new ProblemError({ code: 'MILLRACE_FORBIDDEN', detail });
}
