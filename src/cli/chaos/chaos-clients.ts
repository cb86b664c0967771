import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChaosAnswer, ChaosChecker, ChaosOperation } from '../../testing/chaos-checker.js';
import type { ServiceProcess } from './service-process.js';

const AGAIN_MS = 20;
/** After this, a path that is asked for and not answered with 200 counts as lost. */
const GET_MS = 60_000;
const GET_AGAIN_MS = 50;
const SERVER_ERROR = 500;
const OK = 200;

/** Callers that repeat each request, under one idempotency key, until it has its answer. */
export class ChaosClients {
  answered = 0;
  repeated = 0;
  readonly #service: ServiceProcess;
  readonly #checker: ChaosChecker;
  #isOver = false;
  #isAbandoned = false;

  constructor(service: ServiceProcess, checker: ChaosChecker) {
    this.#service = service;
    this.#checker = checker;
  }

  /**
   * Resolves when every client has had its last answer: the checker has no more requests, or {@link finish} was called.
   * Rejects with what the checker throws about an answer.
   */
  async run(clientCount: number): Promise<void> {
    await Promise.all(Array.from({ length: clientCount }, () => this.#runClient()));
  }

  /** No new requests; those under way get their answers. */
  finish(): void {
    this.#isOver = true;
  }

  /** Requests under way are given up as well. */
  abandon(): void {
    this.#isOver = true;
    this.#isAbandoned = true;
  }

  /** What the checker asks for at the end, however long the service takes to come up. */
  async get(path: string): Promise<unknown> {
    const until = Date.now() + GET_MS;
    for (;;) {
      const answer = await this.#call({ method: 'GET', path }, {});
      if (answer?.status === OK) return answer.json;
      if (Date.now() > until) {
        const last = answer === null ? 'no answer' : `status ${String(answer.status)}`;
        throw new Error(`GET ${path}: ${last} after ${String(GET_MS / 1_000)} s`);
      }
      await delay(GET_AGAIN_MS);
    }
  }

  async #runClient(): Promise<void> {
    while (!this.#isOver) {
      const operation = this.#checker.next();
      if (operation === null) return;
      const answer = await this.#untilAnswered(operation);
      if (answer === null) return;
      this.#checker.answered(operation, answer);
      this.answered += 1;
    }
  }

  /** @returns null when it was abandoned */
  async #untilAnswered(operation: ChaosOperation): Promise<ChaosAnswer | null> {
    const headers = { 'idempotency-key': randomUUID() };
    while (!this.#isAbandoned) {
      const answer = await this.#call(operation, headers);
      if (answer !== null && !isRefused(answer)) return answer;
      this.repeated += 1;
      await delay(AGAIN_MS);
    }
    return null;
  }

  #call(operation: ChaosOperation, headers: Readonly<Record<string, string>>): Promise<ChaosAnswer | null> {
    return this.#service.call(operation, headers).catch(() => null);
  }
}

/** Not now: the same request under the same key is welcome later. */
function isRefused({ status, json }: ChaosAnswer): boolean {
  return status >= SERVER_ERROR || (json as { code?: unknown } | null)?.code === 'MILLRACE_IDEMPOTENCY_CONFLICT';
}
